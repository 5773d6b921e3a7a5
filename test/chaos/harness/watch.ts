/** What a caller saw during a part of a run: answers by status, and how long they took. */

/** Answers kept for percentiles, at most. */
const MOST_TIMES = 500_000;

export class Watch {
  readonly #times: number[] = [];
  readonly #statuses = new Map<number, number>();
  #open = true;
  /** Answers 503 that do not say when to come again. */
  withoutRetryAfter = 0;

  /** Still admitting requests? */
  get open(): boolean {
    return this.#open;
  }

  /** Admit no more requests; answers to those admitted are still counted. */
  close(): void {
    this.#open = false;
  }

  /** `status` 0: no answer came. */
  add(status: number, ms: number, retryAfter: string | undefined): void {
    if (status === 503 && retryAfter === undefined) this.withoutRetryAfter += 1;
    this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1);
    if (status !== 0 && this.#times.length < MOST_TIMES) this.#times.push(ms);
  }

  count(status: number): number {
    return this.#statuses.get(status) ?? 0;
  }

  get total(): number {
    return [...this.#statuses.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Answers that were neither 2xx nor 4xx, and those that never came (0). */
  get failed(): number {
    return [...this.#statuses].reduce((sum, [status, count]) => sum + (status === 0 || status >= 500 ? count : 0), 0);
  }

  /** Milliseconds within which this share of the answers came; 0 when there were none. */
  quantile(share: number): number {
    const sorted = this.#times.toSorted((a, b) => a - b);
    return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
  }

  /** In one line: `412 answers: 202 × 400, 422 × 12; p50 3 ms, p99 41 ms, most 58 ms`. */
  toString(): string {
    const statuses = [...this.#statuses].sort(([a], [b]) => a - b);
    const shown = statuses.map(([status, count]) => `${status === 0 ? 'no answer' : status} × ${count}`).join(', ');
    const times = `p50 ${this.quantile(0.5)} ms, p99 ${this.quantile(0.99)} ms, most ${this.quantile(1)} ms`;
    return `${this.total} answers: ${shown}; ${times}`;
  }
}
