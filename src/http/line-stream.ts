/**
 * A request of JSON lines, answered line by line and in order while it is still coming in.
 *
 * Promises: at most 1,000 lines are in work; nothing is read while they are, or while the client does not read its
 * answers, so memory does not grow with the stream. A client that goes away stops it: what was taken stays taken.
 * Whoever ends it early (`open-streams.ts`) has every line that was taken answered first, then one line that says why
 * and how far it came; then the connection closes. A last line with `"done":true` means: all of it.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { AppError } from '../errors.ts';
import { closeAfterBody, isGone } from './answer.ts';
import { MAX_BODY_BYTES } from './body.ts';
import type { Exchange } from './exchange.ts';
import { askForBody } from './expectation.ts';
import { jsonOf } from './fitting.ts';
import type { Items } from './items.ts';
import { type Line, Lines } from './lines.ts';
import { type OpenStream, openStream } from './open-streams.ts';
import { problemMember } from './problem.ts';

/** Lines that have been taken and not been answered. */
const MOST_IN_WORK = 1000;
/** Lines that are taken before others get their turn of the event loop. */
const MOST_PER_TURN = 250;

const LINES_TYPE = 'application/x-ndjson; charset=utf-8';

/** A line that was taken, and its answer once there is one. */
interface InWork {
  readonly number: number;
  answer: string | undefined;
}

export interface LineStreamOptions {
  readonly exchange: Exchange;
  readonly items: Items;
  /** What a line holds, in a refusal. */
  readonly noun: string;
}

export class LineStream implements OpenStream {
  readonly #exchange: Exchange;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #items: Items;
  readonly #noun: string;
  readonly #lines = new Lines(MAX_BODY_BYTES);
  /** In the order of the lines; the first `#written` of them are answered. */
  #inWork: InWork[] = [];
  #written = 0;
  /** Has the body come to its end? */
  #complete = false;
  /** Why it ends before that. */
  #why: AppError | undefined;
  /** Must the client read before more is written? */
  #full = false;
  #over = false;
  #takesSoon = false;
  #waitingSinceMs: number | undefined;
  #resolve = () => {};

  constructor({ exchange, items, noun }: LineStreamOptions) {
    this.#exchange = exchange;
    this.#request = exchange.request;
    this.#response = exchange.response;
    this.#items = items;
    this.#noun = noun;
  }

  get waitingSinceMs(): number | undefined {
    return this.#waitingSinceMs;
  }

  /** Answer the request. Resolves when the last line was written or the client has gone; rejects before the first. */
  async run(): Promise<void> {
    openStream(this.#response, this);
    askForBody(this.#request);
    // The client has gone, or what it sent was refused while somebody looked who it is.
    if (!this.#exchange.begin(LINES_TYPE)) return;
    const over = new Promise<void>((resolve) => {
      this.#resolve = resolve;
    });
    this.#request.on('data', (piece: Buffer) => this.#receive(piece));
    this.#request.on('end', () => {
      this.#complete = true;
      this.#lines.end();
      this.#take();
    });
    this.#response.on('drain', () => {
      this.#full = false;
      this.#take();
    });
    this.#response.on('close', () => {
      if (this.#over) return;
      this.#exchange.gone(`the client went after ${this.#lines.count} lines`);
      this.#finish();
    });
    this.#waitingSinceMs = performance.now();
    return over;
  }

  end(why: AppError): void {
    this.#why ??= why;
    this.#endIfDone();
  }

  #receive(piece: Buffer): void {
    if (this.#over || this.#why !== undefined) return;
    this.#waitingSinceMs = performance.now();
    this.#lines.push(piece);
    this.#take();
  }

  /** Take lines for as long as there are any and the limits allow it. */
  #take(): void {
    if (this.#over || this.#takesSoon) return;
    for (let taken = 0; this.#mayTake; taken++) {
      if (taken === MOST_PER_TURN) {
        this.#takeSoon();
        break;
      }
      const line = this.#lines.next();
      if (line === undefined) break;
      this.#handle(line);
    }
    this.#readOn(this.#mayTake && !this.#takesSoon && !this.#complete);
    this.#endIfDone();
  }

  get #mayTake(): boolean {
    return this.#why === undefined && !this.#full && this.#inWork.length - this.#written < MOST_IN_WORK;
  }

  #takeSoon(): void {
    this.#takesSoon = true;
    setImmediate(() => {
      this.#takesSoon = false;
      this.#take();
    });
  }

  /** Read more of the body, or leave it with the client: then nothing is asked of it, and its clock stands still. */
  #readOn(wanted: boolean): void {
    if (wanted === (this.#waitingSinceMs !== undefined)) return;
    this.#waitingSinceMs = wanted ? performance.now() : undefined;
    if (wanted) this.#request.resume();
    else this.#request.pause();
  }

  #handle(line: Line): void {
    const entry: InWork = { number: line.number, answer: undefined };
    this.#inWork.push(entry);
    void this.#items
      .take(() => this.#read(line))
      .then((answer) => {
        entry.answer = answer;
        // Everybody who is answered in this turn goes out in one write, with whoever is first in line.
        if (this.#inWork[this.#written] === entry) queueMicrotask(() => this.#write());
      });
  }

  #read(line: Line): unknown {
    if ('text' in line) return jsonOf(line.text, this.#noun);
    if (line.wrong === 'not-utf8') throw new AppError('malformed-json', `The ${this.#noun} is not valid UTF-8.`);
    throw new AppError('body-too-large', `The line has more than ${MAX_BODY_BYTES} bytes.`);
  }

  #write(): void {
    if (this.#over) return;
    let text = '';
    for (let next = this.#inWork[this.#written]; next?.answer !== undefined; next = this.#inWork[this.#written]) {
      text += `{"line":${next.number},${next.answer.slice(1)}\n`;
      this.#written++;
    }
    if (this.#written >= MOST_IN_WORK || this.#written === this.#inWork.length) {
      this.#inWork = this.#inWork.slice(this.#written);
      this.#written = 0;
    }
    if (isGone(this.#request, this.#response)) return;
    if (text !== '') this.#full = !this.#response.write(text);
    this.#take();
  }

  /** The last line, once everything that was taken is answered and nothing more will be taken. */
  #endIfDone(): void {
    if (this.#over || this.#written < this.#inWork.length || isGone(this.#request, this.#response)) return;
    if (this.#why === undefined && !(this.#complete && this.#lines.isEmpty)) return;
    const why = this.#why;
    const { accepted, refused } = this.#items;
    const counts = `"lines":${this.#lines.count},"accepted":${accepted},"refused":${refused}}`;
    const head = why === undefined ? '{"done":true' : `{"done":false,${problemMember(why).slice(1, -1)}`;
    this.#response.end(`${head},${counts}\n`);
    if (why !== undefined && !this.#request.complete) closeAfterBody(this.#request);
    this.#exchange.log(200, why);
    this.#finish();
  }

  #finish(): void {
    this.#over = true;
    this.#waitingSinceMs = undefined;
    this.#inWork = [];
    this.#resolve();
  }
}
