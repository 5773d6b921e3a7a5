/**
 * The claim run: many jobs under random faults, and proof afterwards that none was lost and none took effect twice.
 *
 *   npm run chaos:claim -- --jobs 300000 --seed 7 --rate 300 --keep .data/claims/7
 *
 * Exit codes: 0 every promise held; 1 one did not; 2 an option is wrong. The driver's log, the processes' logs and the
 * result are kept in the folder. Ctrl-C ends the load early, and what was accepted is still judged.
 */

import { parseArgs } from 'node:util';
import { messageOf } from '../../src/errors.ts';
import { Claim, type ClaimOptions, FolderTaken } from './harness/claim-run.ts';
import { Seed } from './harness/seed.ts';

const EXIT_WRONG = 2;

const USAGE = `npm run chaos:claim -- [options]
  --jobs n      jobs to ask for (300000)
  --seed n      seed of everything random (a new one)
  --rate n      jobs a second (300)
  --keep path   folder of log and result (.data/claims/<seed>)`;

function wholeNumber(name: string, text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new Error(`--${name} is a whole number above 0, not "${text}".`);
  return Number(text);
}

function readOptions(args: readonly string[]): ClaimOptions {
  const option = (text: string) => ({ type: 'string', default: text }) as const;
  const { values } = parseArgs({
    args: [...args],
    options: { jobs: option('300000'), rate: option('300'), seed: { type: 'string' }, keep: { type: 'string' } },
  });
  const seed = Seed.from(values.seed ?? process.env.CHAOS_SEED);
  const jobs = wholeNumber('jobs', values.jobs);
  const rate = wholeNumber('rate', values.rate);
  return { jobs, rate, seed, folder: values.keep ?? `.data/claims/${seed.value}` };
}

async function main(): Promise<number> {
  let options: ClaimOptions;
  try {
    options = readOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${messageOf(error)}\n${USAGE}`);
    return EXIT_WRONG;
  }
  const claim = new Claim(options);
  process.on('SIGINT', () => claim.endEarly());
  process.on('SIGTERM', () => claim.endEarly());
  try {
    const result = await claim.run();
    process.stdout.write(`${result.text}\n`);
    return result.holds ? 0 : 1;
  } catch (error) {
    if (!(error instanceof FolderTaken)) throw error;
    console.error(error.message);
    return EXIT_WRONG;
  }
}

// Node 20 does not end by itself after a connection was reset with bytes still to be written.
process.exit(await main());
