/**
 * What ends an attempt before its handler does: the deadline, a shutdown, a lost job or a lost lock. One for each.
 *
 * Promises: the first reason stays; whoever waits in `unlessEnded` is told at once, and work that goes on regardless is
 * nobody's any more. A signal is made only for who asks: making one costs 3 µs and `AbortSignal.any` 20, which is half
 * of what a whole bare job costs. Opens nothing but one timer.
 */

export class Ending {
  #reason: Error | undefined;
  /** Who waits in `unlessEnded`. Whose work is done may stay: telling them changes nothing. */
  #waiting: ((reason: Error) => void)[] | undefined;
  #signal: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #ms = 0;
  #late: (() => Error) | undefined;

  /** End the attempt, unless it has ended already. */
  end(reason: Error): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.settle();
    this.#signal?.abort(reason);
    for (const tell of this.#waiting ?? []) tell(reason);
  }

  /** End the attempt in `ms` milliseconds. */
  endIn(ms: number, reason: () => Error): void {
    this.#ms = ms;
    this.#late = reason;
    this.#startClock(reason);
  }

  #startClock(late: () => Error): void {
    this.#timer = setTimeout(() => this.end(late()), this.#ms);
  }

  /** Take back the time that has passed since `endIn`; what is returned starts the clock, from the beginning. */
  stopClock(): () => void {
    this.settle();
    return () => {
      if (this.#reason === undefined && this.#late !== undefined) this.#startClock(this.#late);
    };
  }

  /** End the attempt when this signal aborts. */
  endWith(signal: AbortSignal): void {
    const end = () => this.end(signal.reason);
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  }

  /** Forget the deadline: the work is done. */
  settle(): void {
    clearTimeout(this.#timer);
  }

  /** Aborts with the reason. */
  get signal(): AbortSignal {
    if (this.#signal === undefined) {
      this.#signal = new AbortController();
      if (this.#reason !== undefined) this.#signal.abort(this.#reason);
    }
    return this.#signal.signal;
  }

  /** Throws the reason once there is one. */
  throwIfEnded(): void {
    if (this.#reason !== undefined) throw this.#reason;
  }

  /** What `work` gives, or the reason if that comes first: the attempt ends then, whether or not the work listens. */
  unlessEnded<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.throwIfEnded();
      this.#waiting ??= [];
      this.#waiting.push(reject);
      work().then(resolve, reject);
    });
  }
}
