/** One slice: run some work and tell its rate and the processor time that each of its jobs took. */

import { processorUs } from './processor-time.ts';
import type { Sample } from './samples.ts';

/** Whose processor time is told; process numbers. */
export interface Watched {
  readonly node?: readonly number[];
  readonly redis?: readonly number[];
  readonly postgres?: readonly number[];
}

/** What the work did. `ms` when it knows better than the clock around it how long it took. */
export interface Done extends Sample {
  readonly jobs: number;
  readonly ms?: number;
}

/** Run `work` and measure it. */
export async function measure(watched: Watched, work: () => Promise<Done>): Promise<Sample> {
  const before = await readAll(watched);
  const startedMs = performance.now();
  const { jobs, ms = performance.now() - startedMs, ...more } = await work();
  const after = await readAll(watched);
  const sample: Sample = { rate: (jobs / ms) * 1000, ...more };
  for (const figure of ['nodeUs', 'redisUs', 'postgresUs'] as const) {
    const [from, to] = [before[figure], after[figure]];
    if (from !== undefined && to !== undefined) sample[figure] = (to - from) / jobs;
  }
  return sample;
}

async function readAll({ node, redis, postgres }: Watched): Promise<Sample> {
  const [nodeUs, redisUs, postgresUs] = await Promise.all(
    [node, redis, postgres].map((pids) => (pids === undefined ? undefined : processorUs(pids))),
  );
  return {
    ...(nodeUs !== undefined && { nodeUs }),
    ...(redisUs !== undefined && { redisUs }),
    ...(postgresUs !== undefined && { postgresUs }),
  };
}
