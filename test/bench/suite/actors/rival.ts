/**
 * What every job queue that is measured without HTTP has to offer, and the loops that drive it: the same for BullMQ and
 * for each of its peers. A producer and a worker are two actors of the same file.
 */

import { serve } from './serve.ts';

/** Where a rival keeps its jobs, and under which name. */
export interface RivalPlace {
  readonly redisUrl: string;
  readonly databaseUrl: string;
  readonly name: string;
}

export interface Payload {
  /** Microseconds of the machine's monotonic clock when it was sent. */
  readonly at: number;
  readonly [field: string]: unknown;
}

export interface WorkOptions {
  readonly concurrency: number;
  /** Call when the handler starts. */
  started(payload: unknown): void;
  /** Call when jobs are finished for good. */
  finished(jobs: number): void;
}

export interface Rival {
  open(place: RivalPlace): Promise<void>;
  /** `extras`: options such as a priority; only BullMQ is asked for any. */
  addOne(payload: Payload, extras?: object): Promise<unknown>;
  addMany(payloads: readonly Payload[], extras?: object): Promise<unknown>;
  work(options: WorkOptions): Promise<void>;
}

/** Microseconds of a clock that all processes of the machine share. */
export const nowUs = () => Number(process.hrtime.bigint() / 1000n);

/** About 194 bytes of JSON, as most jobs have. */
export const payloadAt = (at: number): Payload => ({
  at,
  userId: 'writer-4711',
  contentId: 'content-0815',
  text: 'The quick brown fox jumps over the lazy dog, and then it does the same once more for the bench.',
  tone: 'plain',
});

export interface Paced {
  readonly sent: number;
  readonly failed: number;
}

/** Start `send` at an even rate, whether or not the earlier ones have ended; resolve when all have. */
export async function pace(perSecond: number, seconds: number, send: () => Promise<unknown>): Promise<Paced> {
  const total = Math.round(perSecond * seconds);
  const startedMs = performance.now();
  const open: Promise<unknown>[] = [];
  let failed = 0;
  while (open.length < total) {
    const due = Math.min(total, Math.floor(((performance.now() - startedMs) / 1000) * perSecond) + 1);
    while (open.length < due) {
      open.push(
        send().catch(() => {
          failed += 1;
        }),
      );
    }
    const nextMs = (open.length / perSecond) * 1000 - (performance.now() - startedMs);
    await new Promise((resolve) => setTimeout(resolve, Math.max(1, nextMs)));
  }
  await Promise.all(open);
  return { sent: total, failed };
}

/** Run `step` `times` times, `inFlight` at once. */
async function repeatInFlight(times: number, inFlight: number, step: () => Promise<unknown>): Promise<void> {
  let left = times;
  const lane = async () => {
    while (left-- > 0) await step();
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
}

/** The commands of a rival's actor. */
export function rivalCommands(rival: Rival) {
  let finished = 0;
  let delaysUs: number[] = [];
  const waiting = new Set<() => void>();
  return {
    open: (place: RivalPlace) => rival.open(place),

    /** Add jobs one by one; milliseconds. */
    async addSingly(jobs: number, inFlight: number, extras?: object): Promise<number> {
      const startedMs = performance.now();
      await repeatInFlight(jobs, inFlight, () => rival.addOne(payloadAt(nowUs()), extras));
      return performance.now() - startedMs;
    },

    /** Add jobs in batches; milliseconds. */
    async addInBatches(jobs: number, size: number, inFlight: number, extras?: object): Promise<number> {
      const startedMs = performance.now();
      await repeatInFlight(Math.ceil(jobs / size), inFlight, () =>
        rival.addMany(
          Array.from({ length: size }, () => payloadAt(nowUs())),
          extras,
        ),
      );
      return performance.now() - startedMs;
    },

    /** Add in batches for so long; how many, in how many milliseconds. */
    async addFor(ms: number, size: number, inFlight: number): Promise<{ jobs: number; ms: number }> {
      const startedMs = performance.now();
      let jobs = 0;
      const lane = async () => {
        while (performance.now() - startedMs < ms) {
          if (size === 1) await rival.addOne(payloadAt(nowUs()));
          else await rival.addMany(Array.from({ length: size }, () => payloadAt(nowUs())));
          jobs += size;
        }
      };
      await Promise.all(Array.from({ length: inFlight }, lane));
      return { jobs, ms: performance.now() - startedMs };
    },

    addPaced: (perSecond: number, seconds: number) => pace(perSecond, seconds, () => rival.addOne(payloadAt(nowUs()))),

    work: (concurrency: number) =>
      rival.work({
        concurrency,
        started: (payload) => {
          const at =
            typeof payload === 'object' && payload !== null && 'at' in payload ? Number(payload.at) : Number.NaN;
          delaysUs.push(nowUs() - at);
        },
        finished: (jobs) => {
          finished += jobs;
          for (const look of waiting) look();
        },
      }),

    /** How many it has finished since it began. */
    finished: () => finished,

    /** Resolve once it has finished so many since it began. */
    reached: (jobs: number) =>
      new Promise<void>((resolve) => {
        const look = () => {
          if (finished < jobs) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),

    /** Microseconds from `at` to the start of the handler, of all jobs since the last call. */
    delaysUs(): number[] {
      const taken = delaysUs;
      delaysUs = [];
      return taken;
    },
  };
}

export type RivalCommands = ReturnType<typeof rivalCommands>;

export function serveRival(rival: Rival): void {
  serve(rivalCommands(rival));
}
