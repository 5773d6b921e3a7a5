/**
 * Tells how a reply grows: the text so far as the progress of its job, at most ten times a second.
 *
 * Promises: one report is under way at a time, and none is waited for while tokens come; a report that fails is passed
 * over, for a reply is not lost for it. What is told is the end of the text, so that a long reply costs no more than a
 * short one; `from` says where in the text it begins. When the reply is stored its text leaves the progress.
 */

/** What a job's progress says while a reply is made. */
export interface ReplyProgress extends Record<string, unknown> {
  /** Characters so far. */
  readonly characters: number;
  /** Where in the text `text` begins. */
  readonly from?: number;
  /** The text so far, at most its last 2,000 characters. */
  readonly text?: string;
  readonly done: boolean;
}

const EVERY_MS = 100;
const TOLD_CHARACTERS = 2000;

export class TokenProgress {
  readonly #report: (progress: ReplyProgress) => Promise<void>;
  readonly #clock: () => number;
  #tail = '';
  #characters = 0;
  #toldMs = Number.NEGATIVE_INFINITY;
  #telling: Promise<void> | undefined;

  constructor(report: (progress: ReplyProgress) => Promise<void>, clock: () => number = Date.now) {
    this.#report = report;
    this.#clock = clock;
  }

  /** A piece of text has come. */
  add(piece: string): void {
    this.#characters += piece.length;
    this.#tail = (this.#tail + piece).slice(-TOLD_CHARACTERS);
    if (this.#telling !== undefined || this.#clock() - this.#toldMs < EVERY_MS) return;
    const text = this.#tail;
    this.#tell({ characters: this.#characters, from: this.#characters - text.length, text, done: false });
  }

  /** The reply is stored. */
  async end(): Promise<void> {
    await this.#telling;
    this.#tell({ characters: this.#characters, done: true });
    await this.#telling;
  }

  #tell(progress: ReplyProgress): void {
    this.#toldMs = this.#clock();
    const told = () => {
      this.#telling = undefined;
    };
    this.#telling = this.#report(progress).then(told, told);
  }
}
