/** What it means to remove what is past its time: the same few words for every store and every cleanup job. */

/** What was removed, or in a dry run what would be. */
export interface Removal {
  readonly removed: number;
  /** About how much room it took. */
  readonly bytes: number;
}

/** One run of a cleanup. */
export interface RemovalRun {
  /** Remove nothing; say what would be. */
  readonly dryRun: boolean;
  /** Aborts when the run has to end. What was removed until then stays removed. */
  readonly signal: AbortSignal;
  /** Told after each batch what has become of all so far. */
  readonly told?: (soFar: Removal) => Promise<void>;
}

/** Something that grows old: whoever owns it knows what of it may go. `R`: what it says of it. */
export interface Expirable<R extends Removal = Removal> {
  /** Remove what is past its time, in small batches. The next run goes on where this one had to end. */
  removeExpired(run: RemovalRun): Promise<R>;
}

/** What is gone when things of these sizes are. */
export function removalOf(sizes: readonly number[]): Removal {
  return { removed: sizes.length, bytes: sizes.reduce((sum, bytes) => sum + bytes, 0) };
}

/** Milliseconds after which a run ends by itself, well before its attempt would. */
const BUDGET_MS = 300_000;

/** Adds up what the batches of a run have removed, and tells of it. Throws the signal's reason if it has aborted. */
export class RemovalTally {
  readonly #run: RemovalRun;
  readonly #endsMs = Date.now() + BUDGET_MS;
  #removed = 0;
  #bytes = 0;

  constructor(run: RemovalRun) {
    run.signal.throwIfAborted();
    this.#run = run;
  }

  get total(): Removal {
    return { removed: this.#removed, bytes: this.#bytes };
  }

  /** Has the run used up its time? What is left is for the next one. */
  get spent(): boolean {
    return Date.now() > this.#endsMs;
  }

  /** A batch is done. */
  async add({ removed, bytes }: Removal): Promise<void> {
    this.#removed += removed;
    this.#bytes += bytes;
    if (removed > 0) await this.#run.told?.(this.total);
    this.#run.signal.throwIfAborted();
  }
}
