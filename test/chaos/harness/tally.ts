/** What is known of each request of a run, packed: a few bytes a number, and the id of each job that was accepted. */

import { parseLine } from './driver-log.ts';
import type { JobPlace } from './evidence.ts';
import { type Fate, KINDS, type Kind } from './request-plan.ts';

/** `unknown`: 5xx, or no answer. */
export type Answer = 'accepted' | 'refused' | 'unknown';

const KIND_NAMES = Object.keys(KINDS) as Kind[];
const PLACES: readonly JobPlace[] = ['waiting', 'active', 'delayed', 'completed', 'failed'];

const ACCEPTED = 1;
const REFUSED = 2;
const UNKNOWN = 4;
const TWO_IDS = 8;
const FOREIGN = 16;
const CANCEL_ASKED = 32;
const CANCELLED = 64;

/** A row of bytes that grows, counted from the run's first number. */
class Bytes {
  #bytes = new Uint8Array(4096);

  at(index: number): number {
    return this.#bytes[index] ?? 0;
  }

  set(index: number, value: number): void {
    if (index >= this.#bytes.length) {
      const larger = new Uint8Array(2 ** Math.ceil(Math.log2(index + 1)));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes[index] = Math.min(255, value);
  }
}

export class Tally {
  readonly #base: number;
  /** 0: not sent; otherwise one more than the place in `KIND_NAMES`. */
  readonly #kinds = new Bytes();
  readonly #marks = new Bytes();
  readonly #effects = new Bytes();
  readonly #attempts = new Bytes();
  readonly #jobs = new Bytes();
  readonly #ids: (string | undefined)[] = [];
  #end = 0;
  /** Ids of jobs that were cancelled. */
  readonly tombstones = new Set<string>();

  constructor(base: number) {
    this.#base = base;
  }

  /** Every number that was sent, in order. */
  *numbers(): Generator<number> {
    for (let i = 0; i < this.#end; i++) if (this.#kinds.at(i) > 0) yield this.#base + i;
  }

  knows(n: number): boolean {
    return n >= this.#base && this.#kinds.at(n - this.#base) > 0;
  }

  setSent(n: number, kind: Kind): void {
    const i = n - this.#base;
    this.#kinds.set(i, KIND_NAMES.indexOf(kind) + 1);
    this.#end = Math.max(this.#end, i + 1);
  }

  setAnswer(n: number, status: number, id: string | undefined): void {
    if (status >= 200 && status < 300) {
      this.#mark(n, ACCEPTED);
      this.#setId(n, id, TWO_IDS);
    } else {
      this.#mark(n, status >= 400 && status < 500 ? REFUSED : UNKNOWN);
    }
  }

  setCancel(n: number, status: number | undefined): void {
    this.#mark(n, status === 200 ? CANCEL_ASKED | CANCELLED : CANCEL_ASKED);
  }

  /** True when another effect of the number came from another job. */
  countEffect(n: number, id: string): boolean {
    const before = this.#effects.at(n - this.#base);
    this.#effects.set(n - this.#base, before + 1);
    return this.#setId(n, id, FOREIGN) && before > 0;
  }

  countRun(n: number, attempt: number): void {
    this.#attempts.set(n - this.#base, Math.max(this.#attempts.at(n - this.#base), attempt));
  }

  setJob(n: number, place: JobPlace): void {
    this.#jobs.set(n - this.#base, PLACES.indexOf(place) + 1);
  }

  jobOf(n: number): JobPlace | undefined {
    return PLACES[this.#jobs.at(n - this.#base) - 1];
  }

  answerOf(n: number): Answer {
    if (this.#has(n, ACCEPTED)) return 'accepted';
    // A number without any answer is unknown too.
    return this.#has(n, REFUSED) && !this.#has(n, UNKNOWN) ? 'refused' : 'unknown';
  }

  kindOf(n: number): Kind {
    const kind = KIND_NAMES[this.#kinds.at(n - this.#base) - 1];
    if (kind === undefined) throw new Error(`${n} was never sent.`);
    return kind;
  }

  fateOf(n: number): Fate {
    return KINDS[this.kindOf(n)].fate;
  }

  hasFate(n: number, fate: Fate): boolean {
    return this.fateOf(n) === fate;
  }

  effectsOf(n: number): number {
    return this.#effects.at(n - this.#base);
  }

  /** The highest attempt that was begun; 0: it never ran. */
  mostAttemptsOf(n: number): number {
    return this.#attempts.at(n - this.#base);
  }

  everRan(n: number): boolean {
    return this.mostAttemptsOf(n) > 0 || this.effectsOf(n) > 0;
  }

  idOf(n: number): string | undefined {
    return this.#ids[n - this.#base];
  }

  contradicts(n: number): boolean {
    return this.#has(n, ACCEPTED) && this.#has(n, REFUSED);
  }

  acceptedTwice(n: number): boolean {
    return this.#has(n, TWO_IDS);
  }

  /** It took effect under an id that its caller was not given. */
  isForeign(n: number): boolean {
    return this.#has(n, FOREIGN);
  }

  cancelAsked(n: number): boolean {
    return this.#has(n, CANCEL_ASKED);
  }

  wasCancelled(n: number): boolean {
    return this.#has(n, CANCELLED);
  }

  #has(n: number, mark: number): boolean {
    return (this.#marks.at(n - this.#base) & mark) !== 0;
  }

  #mark(n: number, marks: number): void {
    this.#marks.set(n - this.#base, this.#marks.at(n - this.#base) | marks);
  }

  /** True, and marked, when another id stands there. */
  #setId(n: number, id: string | undefined, ifOther: number): boolean {
    if (id === undefined) return false;
    const stands = this.#ids[n - this.#base];
    this.#ids[n - this.#base] ??= id;
    if (stands === undefined || stands === id) return false;
    this.#mark(n, ifOther);
    return true;
  }
}

/** Read the driver's log. */
export async function tallyLog(lines: AsyncIterable<string>, base: number): Promise<Tally> {
  const tally = new Tally(base);
  for await (const line of lines) {
    const entry = parseLine(line);
    switch (entry?.type) {
      case 'sent':
        tally.setSent(entry.n, entry.kind);
        break;
      case 'answered':
        tally.setAnswer(entry.n, entry.status, entry.id);
        break;
      case 'cancelling':
        tally.setCancel(entry.n, undefined);
        break;
      case 'cancel-answered':
        tally.setCancel(entry.n, entry.status);
        break;
    }
  }
  return tally;
}
