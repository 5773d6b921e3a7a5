/**
 * JSON, minus what breaks further down: the only door through which a body becomes a value.
 *
 * Promises: what is accepted equals what `JSON.parse` gives; it never throws; its time is linear in the text. Refused
 * although well formed: nesting over 32, NUL and lone surrogates (PostgreSQL refuses both, hours later), the keys
 * `__proto__` and `constructor`, a key given twice, and numbers that JavaScript cannot hold. Each refusal has a pointer.
 */

import type { Problem } from '../errors.ts';
import { pointerTo } from '../problems.ts';
import { numberProblem } from './json-number.ts';

/** Containers inside containers, the outermost counted; one more is refused. */
export const MAX_JSON_DEPTH = 32;

/** Problems that are collected; the answer shows fewer, and its count of the rest ends here. */
const MAX_PROBLEMS = 1000;

/** Keys of one object that are compared one by one; from here on a set is cheaper. */
const FEW_KEYS = 12;

/** Digits that every number can hold exactly. */
const SAFE_DIGITS = 15;

const LONE_SURROGATE = /[\ud800-\udfff]/u;

/** A parsed value, or why there is none. */
export type StrictJson =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly code: 'malformed-json' | 'invalid-input'; readonly problems: readonly Problem[] };

/** Parse `text` strictly; never throws. `malformed-json`: not JSON at all; `invalid-input`: JSON that is refused. */
export function parseStrictJson(text: string): StrictJson {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { ok: false, code: 'malformed-json', problems: [{ pointer: '', message: whyMalformed(text, error) }] };
  }
  const problems = new Scanner(text).problems();
  return problems === undefined ? { ok: true, value } : { ok: false, code: 'invalid-input', problems };
}

function whyMalformed(text: string, error: unknown): string {
  if (text.trim() === '') return 'is empty';
  if (text.startsWith('\ufeff')) return 'starts with a byte order mark; send UTF-8 without one';
  const position = error instanceof Error ? /at position (\d+)/.exec(error.message)?.[1] : undefined;
  return position === undefined ? 'is not valid JSON' : `is not valid JSON at character ${position}`;
}

/** One object or array that is open; `keys` is undefined in an array. */
interface Frame {
  /** The key or position of the entry being read. */
  at: string | number;
  readonly keys: string[] | undefined;
  many: Set<string> | undefined;
}

/** One pass over text that `JSON.parse` has accepted: the grammar is known to hold, so only the refusals are looked for. */
class Scanner {
  readonly #text: string;
  /** Must strings be decoded and looked into? Not without `\u` escapes or lone halves in the text itself. */
  readonly #suspicious: boolean;
  readonly #frames: Frame[] = [];
  #problems: Problem[] | undefined;

  constructor(text: string) {
    this.#text = text;
    this.#suspicious = text.includes('\\u') || LONE_SURROGATE.test(text);
  }

  /** Everything that is refused, in the order of the text; undefined when nothing is. */
  problems(): readonly Problem[] | undefined {
    const text = this.#text;
    const frames = this.#frames;
    let frame: Frame | undefined;
    let keyNext = false;
    let at = 0;
    while (at < text.length) {
      const code = text.charCodeAt(at);
      if (code === 0x22) {
        const end = closingQuote(text, at + 1);
        if (keyNext && frame !== undefined) this.#key(frame, at, end);
        else if (this.#suspicious) this.#string(at, end);
        keyNext = false;
        at = end + 1;
      } else if (code === 0x2c) {
        keyNext = frame?.keys !== undefined;
        if (typeof frame?.at === 'number') frame.at++;
        at++;
      } else if (code === 0x7b || code === 0x5b) {
        if (frames.length === MAX_JSON_DEPTH) {
          this.#refuse(`is nested deeper than ${MAX_JSON_DEPTH} levels`);
          at = afterContainer(text, at);
        } else {
          keyNext = code === 0x7b;
          frame = keyNext ? { at: '', keys: [], many: undefined } : { at: 0, keys: undefined, many: undefined };
          frames.push(frame);
          at++;
        }
      } else if (code === 0x7d || code === 0x5d) {
        frames.pop();
        frame = frames[frames.length - 1];
        keyNext = false;
        at++;
      } else if (code === 0x2d || (code >= 0x30 && code <= 0x39)) {
        at = this.#number(at);
      } else {
        at++;
      }
    }
    return this.#problems;
  }

  #key(frame: Frame, quote: number, end: number): void {
    const raw = this.#text.slice(quote + 1, end);
    const key = raw.includes('\\') ? String(JSON.parse(`"${raw}"`)) : raw;
    frame.at = key;
    if (key === '__proto__' || key === 'constructor') this.#refuse('is a key that is not allowed');
    if (remembered(frame, key)) this.#refuse('is a key that appears twice');
    if (this.#suspicious) this.#string(quote, end);
  }

  #string(quote: number, end: number): void {
    const raw = this.#text.slice(quote, end + 1);
    const content = raw.includes('\\u') ? String(JSON.parse(raw)) : raw;
    if (content.includes('\0')) this.#refuse('holds a NUL character');
    if (LONE_SURROGATE.test(content)) this.#refuse('holds half of a surrogate pair');
  }

  #number(start: number): number {
    const text = this.#text;
    let digits = 0;
    let exponent = false;
    let at = start;
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code >= 0x30 && code <= 0x39) digits++;
      else if (code === 0x65 || code === 0x45) exponent = true;
      else if (code !== 0x2e && code !== 0x2d && code !== 0x2b) break;
    }
    if (exponent || digits > SAFE_DIGITS) {
      const problem = numberProblem(text.slice(start, at));
      if (problem !== undefined) this.#refuse(problem);
    }
    return at;
  }

  #refuse(message: string): void {
    this.#problems ??= [];
    if (this.#problems.length < MAX_PROBLEMS) {
      this.#problems.push({ pointer: pointerTo(this.#frames.map((frame) => frame.at)), message });
    }
  }
}

/** Has this object had the key already? Remembers it. */
function remembered(frame: Frame, key: string): boolean {
  const { keys, many } = frame;
  if (keys === undefined) return false;
  if (many === undefined ? keys.includes(key) : many.has(key)) return true;
  if (many !== undefined) many.add(key);
  else if (keys.push(key) > FEW_KEYS) frame.many = new Set(keys);
  return false;
}

/** The position of the quote that ends the string whose content starts at `from`, in valid JSON. */
export function closingQuote(text: string, from: number): number {
  let end = text.indexOf('"', from);
  while (isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end;
}

/** Runs of backslashes before different quotes do not overlap, so counting them all is linear. */
function isEscaped(text: string, quote: number): boolean {
  let backslash = quote - 1;
  while (text.charCodeAt(backslash) === 0x5c) backslash--;
  return (quote - backslash) % 2 === 0;
}

/** The position after the object or array that opens at `start`, in valid JSON. */
export function afterContainer(text: string, start: number): number {
  let open = 0;
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) at = closingQuote(text, at + 1);
    else if (code === 0x7b || code === 0x5b) open++;
    else if ((code === 0x7d || code === 0x5d) && --open === 0) return at + 1;
  }
  return text.length;
}
