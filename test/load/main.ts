/**
 * `npm run load`: drive a running service, show how it goes, write `report.html` and `report.json`.
 *
 * Exit codes: 0 every threshold held; 1 one did not; 2 nothing was measured: an option is wrong, or no service answers.
 * Ctrl-C ends the load and keeps the report; once more waits for nothing.
 */

import { join } from 'node:path';
import { loadLocalConfig } from '../../src/config.ts';
import { messageOf } from '../../src/errors.ts';
import { readLocalAddress } from '../../src/local/state.ts';
import { type LoadOptions, readOptions, showCommand } from './options.ts';
import { prepareFolder, writeReport } from './report-files.ts';
import { MixProblems, runLoad } from './run.ts';
import { NoService } from './service.ts';
import { summarise } from './summary.ts';

const EXIT_PASSED = 0;
const EXIT_FAILED = 1;
const EXIT_WRONG = 2;

/** The terminal's Ctrl-C reaches us and npm, which passes it on: within this many milliseconds they are one. */
const SAME_SIGNAL_MS = 1000;

const print = (line: string) => void process.stdout.write(`${line}\n`);
const say = (line: string) => void process.stderr.write(`${line}\n`);

async function main(args: readonly string[]): Promise<number> {
  const { DATA_DIR, PORT } = loadLocalConfig();
  const reading = readOptions(args, (await readLocalAddress(DATA_DIR)) ?? `http://127.0.0.1:${PORT}`);
  if (reading.kind === 'help') {
    print(reading.text);
    return EXIT_PASSED;
  }
  if (reading.kind === 'problems') return tellProblems(reading.problems);
  const { options } = reading;
  const folder = options.report ?? join(DATA_DIR, 'load', new Date().toISOString().replace(/[:.]/g, '-'));
  const prepared = await prepareFolder(folder);
  if ('problem' in prepared) return tellProblems([`--report: ${prepared.problem} Name another folder.`]);
  const code = await load(options, args, folder);
  if (code === EXIT_WRONG) await prepared.forget();
  return code;
}

async function load(options: LoadOptions, args: readonly string[], folder: string): Promise<number> {
  const { enough, atOnce } = listenForEnd();
  const command = showCommand(args);
  try {
    say(`Loading ${options.url.href} with seed ${options.seed}; Ctrl-C ends it and keeps the report.`);
    const replay = showCommand(withSeed(args, options.seed));
    const report = await runLoad({ options, command, replay, progress: progressStream(), enough, atOnce });
    const { page } = await writeReport(folder, report);
    for (const line of summarise(report)) print(line);
    print(`report: ${page}`);
    return report.verdict === 'pass' ? EXIT_PASSED : EXIT_FAILED;
  } catch (error) {
    if (error instanceof MixProblems) return tellProblems(error.problems);
    if (!(error instanceof NoService)) throw error;
    say(error.message);
    return EXIT_WRONG;
  }
}

function tellProblems(problems: readonly string[]): number {
  say(problems.length === 1 ? 'One thing must be mended first:' : `${problems.length} things must be mended first:`);
  for (const problem of problems) say(`  ${problem}`);
  return EXIT_WRONG;
}

/** The command line with the seed that was drawn, for whoever wants the same requests again. */
function withSeed(args: readonly string[], seed: number): readonly string[] {
  return args.some((arg) => arg === '--seed' || arg.startsWith('--seed=')) ? args : [...args, '--seed', String(seed)];
}

function progressStream(): { write(text: string): unknown; readonly columns?: number } {
  const { stderr } = process;
  return { write: (text) => stderr.write(text), ...(stderr.isTTY && { columns: stderr.columns || 80 }) };
}

/** The first signal means enough, the next one at once. */
function listenForEnd(): { enough: AbortSignal; atOnce: AbortSignal } {
  const enough = new AbortController();
  const atOnce = new AbortController();
  let firstMs: number | undefined;
  const heard = () => {
    firstMs ??= performance.now();
    if (!enough.signal.aborted) {
      enough.abort();
      say('\nEnding: waiting for what is in flight. Once more ends at once.');
    } else if (performance.now() - firstMs > SAME_SIGNAL_MS) {
      atOnce.abort();
    }
  };
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, heard);
  return { enough: enough.signal, atOnce: atOnce.signal };
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  say(error instanceof Error ? (error.stack ?? error.message) : messageOf(error));
  process.exitCode = EXIT_WRONG;
}
