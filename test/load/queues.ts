/**
 * The queues of the mix, looked at once a second: how deep they are, and when they are empty again.
 *
 * Promises: never two looks at once; a look that fails is counted, and the next one comes.
 */

import type { LoadClock } from './driver.ts';
import type { QueueLook } from './service.ts';
import type { Depth } from './tally.ts';

const LOOK_MS = 1000;
/** When waiting for empty queues: often enough to tell the tenth of a second. */
const DRAIN_LOOK_MS = 200;

/** One queue over the run. Depths are jobs waiting, running or put off. */
export interface QueueStory {
  readonly before: number;
  readonly peak: number;
  readonly after: number;
  /** Worker processes at the last look. */
  readonly workers: number;
}

export interface QueueWatchOptions {
  /** As `Service.queues`. */
  readonly look: () => Promise<readonly QueueLook[] | undefined>;
  /** Queues of the mix. */
  readonly names: ReadonlySet<string>;
  readonly clock: LoadClock;
  /** Called with each look. */
  readonly seen: (atMs: number, depth: Depth) => void;
}

export class QueueWatch {
  readonly #options: QueueWatchOptions;
  readonly #stories = new Map<string, { before: number; peak: number; after: number; workers: number }>();
  /** Looks that failed. */
  unreadable = 0;
  /** Jobs in all queues of the mix at the last look; undefined before the first. */
  depth: number | undefined;

  constructor(options: QueueWatchOptions) {
    this.#options = options;
  }

  /** By name, sorted. */
  get stories(): Readonly<Record<string, QueueStory>> {
    return Object.fromEntries([...this.#stories].sort(([a], [b]) => a.localeCompare(b)));
  }

  /** Look once. */
  async look(): Promise<void> {
    const { look, names, clock, seen } = this.#options;
    const queues = await look();
    if (queues === undefined) {
      this.unreadable += 1;
      return;
    }
    const ours = queues.filter(({ name }) => names.has(name));
    for (const queue of ours) this.#remember(queue);
    const sum = (of: keyof Depth) => ours.reduce((total, queue) => total + queue[of], 0);
    const depth = { waiting: sum('waiting'), active: sum('active'), delayed: sum('delayed') };
    this.depth = depth.waiting + depth.active + depth.delayed;
    seen(clock.now(), depth);
  }

  /** Look every second until the signal aborts. */
  async watch(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      const startedMs = clock.now();
      await this.look();
      await clock.wait(Math.max(0, LOOK_MS - (clock.now() - startedMs)), signal);
    }
  }

  /** Wait at most `mostMs` until the queues hold no more than before the load. */
  async drain(mostMs: number, signal: AbortSignal): Promise<{ drained: boolean; seconds: number; left: number }> {
    const { clock } = this.#options;
    const startedMs = clock.now();
    for (;;) {
      await this.look();
      const seconds = (clock.now() - startedMs) / 1000;
      const left = [...this.#stories.values()].reduce(
        (total, { before, after }) => total + Math.max(0, after - before),
        0,
      );
      if (left === 0 && this.depth !== undefined) return { drained: true, seconds, left };
      if (seconds * 1000 >= mostMs || signal.aborted) return { drained: false, seconds, left };
      await clock.wait(DRAIN_LOOK_MS, signal);
    }
  }

  #remember({ name, waiting, active, delayed, workers }: QueueLook): void {
    const depth = waiting + active + delayed;
    const known = this.#stories.get(name);
    this.#stories.set(name, {
      before: known?.before ?? depth,
      peak: Math.max(known?.peak ?? 0, depth),
      after: depth,
      workers,
    });
  }
}
