/**
 * The benchmark: our service beside the usual one, raw BullMQ and its peers.
 *
 *   npm run bench -- [--cases http,bulk,…] [--rounds 7] [--quick] [--json file] [--profile]
 *
 * It builds into a folder of its own and starts its own stores. Tables go to standard output, progress to standard
 * error. Exit codes: 0 done; 1 a contender failed; 2 the arguments are wrong; 130 stopped by Ctrl-C, with nothing left.
 */

import { writeFile } from 'node:fs/promises';
import { messageOf } from '../../../src/errors.ts';
import type { Bench, Case } from './bench.ts';
import { buildAll } from './build.ts';
import { aofCase } from './cases/aof.ts';
import { backlogCase } from './cases/backlog.ts';
import { bulkCase } from './cases/bulk.ts';
import { drainCase } from './cases/drain.ts';
import { endToEndCase } from './cases/end-to-end.ts';
import { httpCase } from './cases/http.ts';
import { latencyCase } from './cases/latency.ts';
import { machineryCase } from './cases/machinery.ts';
import { memoryCase } from './cases/memory.ts';
import { readyCase } from './cases/ready.ts';
import { streamCase } from './cases/stream.ts';
import { findWrk } from './http-load.ts';
import { describeMachine } from './machine.ts';
import { type BenchOptions, type CaseName, readOptions } from './options.ts';
import { profileReport } from './profiles.ts';
import { failures, report } from './report.ts';
import type { Section } from './samples.ts';
import { Stage } from './stage.ts';

const CASE_OF: Readonly<Record<CaseName, Case>> = {
  http: httpCase,
  bulk: bulkCase,
  stream: streamCase,
  drain: drainCase,
  machinery: machineryCase,
  latency: latencyCase,
  'end-to-end': endToEndCase,
  memory: memoryCase,
  backlog: backlogCase,
  aof: aofCase,
  ready: readyCase,
};

const startedMs = performance.now();
const say = (line: string) =>
  void process.stderr.write(`${((performance.now() - startedMs) / 1000).toFixed(0).padStart(5)} s  ${line}\n`);

async function run(options: BenchOptions): Promise<number> {
  const wrk = await findWrk(say);
  const build = await buildAll(say);
  let stage: Stage | undefined;
  let stopping = false;
  // While the run is being stopped every call fails: that is no news.
  const bench: Bench = { options, build, wrk, say: (line) => stopping || say(line) };
  const stop = () => {
    if (stopping) return;
    stopping = true;
    say('stopping');
    void Promise.resolve(stage?.end()).finally(() => {
      build.remove();
      process.exit(130);
    });
  };
  // What is being waited for may be a child that does not keep this process alive.
  const awake = setInterval(() => undefined, 1000);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  try {
    const machine = await describeMachine(bench);
    const sections: Section[] = [];
    const broken: string[] = [];
    for (const name of options.cases) {
      stage = new Stage(bench);
      try {
        sections.push(...(await CASE_OF[name](stage)));
      } catch (error) {
        broken.push(`${name}: ${error instanceof Error ? error.stack : String(error)}`);
        if (!stopping) say(`${name} FAILED`);
      } finally {
        await stage.end();
      }
      if (stopping) break;
    }
    // Whoever stops the run ends it: what was measured by halves is not printed.
    if (stopping) return await new Promise<never>(() => undefined);
    process.stdout.write(report(machine, options, sections));
    if (options.profile) process.stdout.write(await profileReport(build.folder));
    if (options.json !== undefined) {
      await writeFile(options.json, `${JSON.stringify({ machine, rounds: options.rounds, sections }, null, 1)}\n`);
    }
    broken.push(...failures(sections));
    for (const line of broken) console.error(`FAILED  ${line}`);
    return broken.length === 0 ? 0 : 1;
  } finally {
    clearInterval(awake);
    if (!stopping) build.remove();
  }
}

let options: BenchOptions;
try {
  options = readOptions(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(2);
}
try {
  process.exit(await run(options));
} catch (error) {
  console.error(messageOf(error));
  process.exit(1);
}
