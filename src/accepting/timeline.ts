/** Which number of the journal was reached when: one note a second, for the last ten minutes. */
export class Timeline {
  #notes: { readonly atMs: number; readonly number: number }[] = [];

  /** At `atMs`, everything below `number` had been handed over. */
  note(atMs: number, number: number): void {
    this.#notes.push({ atMs, number });
    if (this.#notes.length > MOST_NOTES) this.#notes = this.#notes.slice(-MOST_NOTES / 2);
  }

  /** What was handed over from `number` on was handed over again only now. */
  rewind(number: number): void {
    this.#notes = this.#notes.map((note) => ({ ...note, number: Math.min(note.number, number) }));
  }

  /** The number below which everything had been handed over at a time; 0 when that is not known any more. */
  numberAt(ms: number): number {
    return this.#notes.findLast(({ atMs }) => atMs <= ms)?.number ?? 0;
  }
}

const MOST_NOTES = 1200;
