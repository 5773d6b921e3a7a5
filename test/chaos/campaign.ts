/**
 * The chaos tests for longer than CI has time for.
 *
 *   npm run test:chaos                       every chaos test 20 times with long outages, then the claim run
 *   npm run test:chaos -- redis-killed       one fault, or one test file, once, as CI does it
 *   CHAOS_SEED=7 npm run test:chaos -- …     with that seed
 *
 * Exit codes: 0 everything held; 1 something did not; 2 an option is wrong. What was printed is kept under
 * `.data/chaos/<seed>/`, a file for each round; round n of seed s has the seed s + n - 1.
 */

import { spawn } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '../../src/errors.ts';
import { FAULTS } from './harness/fault-table.ts';
import { chaosSettings, type Outages } from './harness/settings.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const EXIT_WRONG = 2;
const ROUNDS = 20;

const USAGE = `npm run test:chaos -- [fault or test file …] [options]
  --rounds n    times that each is run (${ROUNDS}; 1 when something is named)
  --jobs n      jobs of the claim run; 0: no claim run (300000; 0 when something is named)
Variables: CHAOS_SEED, CHAOS_OUTAGES=short|long (long; short when something is named)
Faults: ${FAULTS.map(({ name }) => name).join(' ')}`;

interface Campaign {
  readonly seed: number;
  readonly outages: Outages;
  readonly names: readonly string[];
  readonly rounds: number;
  readonly jobs: number;
}

function readCampaign(args: readonly string[]): Campaign {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { rounds: { type: 'string' }, jobs: { type: 'string' } },
  });
  const whole = positionals.length === 0;
  const { seed, outages } = chaosSettings({ CHAOS_OUTAGES: whole ? 'long' : 'short', ...process.env });
  const number = (name: string, text: string | undefined, usual: number) => {
    if (text !== undefined && !/^\d{1,9}$/.test(text)) throw new Error(`--${name} is a whole number, not "${text}".`);
    return text === undefined ? usual : Number(text);
  };
  return {
    seed: seed.value,
    outages,
    names: positionals,
    rounds: number('rounds', values.rounds, whole ? ROUNDS : 1),
    jobs: number('jobs', values.jobs, whole ? 300_000 : 0),
  };
}

/** What vitest is asked for: a fault by its name, anything else as a part of a file's name. */
function filters(names: readonly string[]): string[] {
  const faults = names.filter((name) => FAULTS.some((fault) => fault.name === name));
  const files = names.filter((name) => !faults.includes(name));
  if (faults.length === 0) return files;
  return ['test/chaos/faults.test.ts', ...files, '-t', faults.map((name) => ` ${name} \\d`).join('|')];
}

/** Run a program, show what it prints and keep it. Resolves with its exit code. */
function run(args: readonly string[], log: string, environment: NodeJS.ProcessEnv): Promise<number> {
  const file = createWriteStream(log, { mode: 0o600 });
  const child = spawn(process.execPath, [...args], {
    cwd: ROOT,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.pipe(process.stdout, { end: false });
  child.stderr.pipe(process.stderr, { end: false });
  child.stdout.pipe(file, { end: false });
  child.stderr.pipe(file, { end: false });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      file.end();
      resolve(code ?? 1);
    });
  });
}

async function main(): Promise<number> {
  let campaign: Campaign;
  try {
    campaign = readCampaign(process.argv.slice(2));
  } catch (error) {
    console.error(`${messageOf(error)}\n${USAGE}`);
    return EXIT_WRONG;
  }
  const { seed, outages, names, rounds, jobs } = campaign;
  const folder = join(ROOT, '.data', 'chaos', String(seed));
  mkdirSync(folder, { recursive: true });
  const failed: string[] = [];
  for (let round = 1; round <= rounds; round++) {
    const own = String(seed + round - 1);
    console.error(`round ${round} of ${rounds}, seed ${own}, ${outages} outages`);
    const vitest = [join(ROOT, 'node_modules', 'vitest', 'vitest.mjs'), 'run', '--project', 'chaos', ...filters(names)];
    const environment = { CHAOS_SEED: own, CHAOS_OUTAGES: outages };
    const code = await run(vitest, join(folder, `round-${round}.log`), environment);
    if (code !== 0) failed.push(`round ${round}, seed ${own}`);
  }
  if (jobs > 0) {
    const claim = ['--import', 'tsx', join(import.meta.dirname, 'claim.ts')];
    const options = ['--jobs', String(jobs), '--seed', String(seed), '--keep', join(folder, 'claim')];
    if ((await run([...claim, ...options], join(folder, 'claim.log'), {})) !== 0) failed.push('the claim run');
  }
  console.error(failed.length === 0 ? 'everything held' : `did not hold: ${failed.join('; ')}`);
  return failed.length === 0 ? 0 : 1;
}

process.exitCode = await main();
