/**
 * The driver's log: one line before each request and one after its answer, so that what was asked and what was said is
 * known whatever is killed meanwhile.
 *
 * Promises: append-only; a line is with the system before the request leaves; a torn last line is passed over.
 *
 *   > 812.3 17 apply single web-0 chaos-17     sent: milliseconds, number, kind, route, to whom, key or -
 *   < 840.1 17 202 learning_0123 27.8          answered: status or 0 for none, job id or -, milliseconds it took
 *   x 841.0 17                                 asked to cancel it
 *   y 850.2 17 200                             what was said to that
 *   ! 900.0 redis: killed                      what the harness did
 */

import { closeSync, createReadStream, openSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { isKind, type Kind, type Route } from './request-plan.ts';

/** The status of a request whose answer never came: it may or may not have been done. */
export const NO_ANSWER = 0;

export type LogEntry =
  | {
      readonly type: 'sent';
      readonly n: number;
      readonly kind: Kind;
      readonly key: string | undefined;
    }
  | { readonly type: 'answered'; readonly n: number; readonly status: number; readonly id: string | undefined }
  | { readonly type: 'cancelling'; readonly n: number }
  | { readonly type: 'cancel-answered'; readonly n: number; readonly status: number }
  | { readonly type: 'note'; readonly text: string };

export class DriverLog {
  readonly #file: number;
  readonly #nowMs: () => number;
  #closed = false;

  constructor(path: string, nowMs: () => number) {
    this.#file = openSync(path, 'a', 0o600);
    this.#nowMs = nowMs;
  }

  sent(n: number, kind: Kind, { route, to, key }: { route: Route; to: string; key: string | undefined }): void {
    this.#write(`> ${this.#at()} ${n} ${kind} ${route} ${to} ${key ?? '-'}`);
  }

  answered(n: number, status: number, id: string | undefined, ms: number): void {
    this.#write(`< ${this.#at()} ${n} ${status} ${id ?? '-'} ${ms.toFixed(1)}`);
  }

  cancelling(n: number): void {
    this.#write(`x ${this.#at()} ${n}`);
  }

  cancelAnswered(n: number, status: number): void {
    this.#write(`y ${this.#at()} ${n} ${status}`);
  }

  note(text: string): void {
    this.#write(`! ${this.#at()} ${text.replace(/\s+/g, ' ')}`);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#file);
  }

  #at(): string {
    return this.#nowMs().toFixed(1);
  }

  #write(line: string): void {
    if (!this.#closed) writeSync(this.#file, `${line}\n`);
  }
}

/** The lines of a log file, in order; memory stays flat. */
export function linesOf(path: string): AsyncIterable<string> {
  return createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY });
}

/** What a line says; undefined when it is torn. */
export function parseLine(line: string): LogEntry | undefined {
  const [mark, at, ...rest] = line.split(' ');
  if (at === undefined) return undefined;
  if (mark === '!') return { type: 'note', text: rest.join(' ') };
  const n = Number(rest[0] || Number.NaN);
  const status = Number(rest[1] || Number.NaN);
  if (!Number.isInteger(n)) return undefined;
  switch (mark) {
    case '>': {
      const kind = rest[1] ?? '';
      if (!isKind(kind) || rest.length < 5) return undefined;
      return { type: 'sent', n, kind, key: rest[4] === '-' ? undefined : rest[4] };
    }
    case '<':
      if (!Number.isInteger(status) || rest.length < 4) return undefined;
      return { type: 'answered', n, status, id: rest[2] === '-' ? undefined : rest[2] };
    case 'x':
      return { type: 'cancelling', n };
    case 'y':
      return Number.isInteger(status) ? { type: 'cancel-answered', n, status } : undefined;
    default:
      return undefined;
  }
}

/** The number a line is about. */
export function numberOf(line: string): number | undefined {
  const entry = parseLine(line);
  return entry === undefined || entry.type === 'note' ? undefined : entry.n;
}
