/**
 * How the load is going, for the person who waits: one line that renews itself on a terminal, a line every five seconds
 * elsewhere.
 */

import { showCount, showMs, showSpan } from './quantity.ts';
import type { Second } from './tally.ts';

/** What the line tells. */
export interface Moment {
  readonly nowMs: number;
  /** The last whole second; undefined before there is one. */
  readonly last: Second | undefined;
  readonly inFlight: number;
  /** Jobs in the queues of the mix; undefined while nobody knows. */
  readonly depth: number | undefined;
  readonly failed: number;
  /** What is waited for after the load, such as `following 3 jobs`; undefined during it. */
  readonly after?: string | undefined;
}

export interface ProgressOptions {
  readonly durationMs: number;
  /** Where it goes. `columns` is undefined where no line can be renewed. */
  readonly stream: { write(text: string): unknown; readonly columns?: number | undefined };
}

/** Seconds between lines where none can be renewed. */
const PLAIN_EVERY = 5;
/** Erases the line and goes to its beginning. */
const RENEW = '\r\u001b[2K';

export class Progress {
  readonly #options: ProgressOptions;

  constructor(options: ProgressOptions) {
    this.#options = options;
  }

  /** Called once a second. */
  show(moment: Moment): void {
    const { stream, durationMs } = this.#options;
    const text = describe(moment, durationMs);
    if (stream.columns !== undefined) stream.write(RENEW + text.slice(0, stream.columns - 1));
    else if (Math.round(moment.nowMs / 1000) % PLAIN_EVERY === 0) stream.write(`${text}\n`);
  }

  /** Make room for what is printed next. */
  end(): void {
    if (this.#options.stream.columns !== undefined) this.#options.stream.write(RENEW);
  }
}

function describe({ nowMs, last, inFlight, depth, failed, after }: Moment, durationMs: number): string {
  const time = after ?? `${showSpan(Math.round(nowMs / 1000) * 1000)} of ${showSpan(durationMs)}`;
  const ended = last === undefined ? 0 : last.accepted + last.failed;
  const latency = last?.latencyMs;
  return [
    time,
    `${showCount(ended)}/s`,
    `in flight ${showCount(inFlight)}`,
    latency ? `p50 ${showMs(latency.p50)}` : 'p50 –',
    latency ? `p99 ${showMs(latency.p99)}` : 'p99 –',
    `depth ${depth === undefined ? 'unknown' : showCount(depth)}`,
    `errors ${showCount(failed)}`,
  ].join('   ');
}
