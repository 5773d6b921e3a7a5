/**
 * The list inside a JSON document, element by element, so that what is refused in one element costs only that one.
 *
 * A clean document is parsed once. In one that strict JSON refuses, the elements are found in the text and each is read
 * by itself, as if it had come alone; what is refused outside of them refuses the document. Linear in the text.
 */

import { AppError, type Problem } from '../errors.ts';
import { pointerTo } from '../problems.ts';
import { jsonOf, refused } from './fitting.ts';
import type { ItemSource } from './route.ts';
import { afterContainer, closingQuote, parseStrictJson } from './strict-json.ts';

/** Unknown members that are named. */
const MOST_UNKNOWN = 100;

/** Gives one element, or throws `invalid-input` for what is wrong with it. */
export type ElementReader = () => unknown;

/** A reader for each element, in order. Throws `malformed-json`, or `invalid-input` for the document as a whole. */
export function elementsOf(text: string, source: ItemSource & { kind: 'list' }, noun: string): ElementReader[] {
  const parsed = parseStrictJson(text);
  if (parsed.ok) return listIn(parsed.value, source, noun).map((element) => () => element);
  if (parsed.code === 'malformed-json') {
    throw new AppError('malformed-json', `The body ${parsed.problems[0]?.message ?? 'is not valid JSON'}.`);
  }
  const elements = elementTexts(text, source.member);
  if (elements === undefined) throw refused('The body is wrong.', parsed.problems);
  return counted(elements, source, noun).map((element) => () => jsonOf(element, noun));
}

function listIn(value: unknown, source: ItemSource & { kind: 'list' }, noun: string): readonly unknown[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw refused('The body is wrong.', [{ pointer: '', message: `must be an object with the list ${source.member}` }]);
  }
  const unknown = Object.keys(value).filter((name) => name !== source.member);
  const list: unknown = Object.hasOwn(value, source.member) ? Reflect.get(value, source.member) : undefined;
  const problems: Problem[] = Array.isArray(list) ? [] : [wrongList(source, noun)];
  for (const name of unknown.slice(0, MOST_UNKNOWN)) {
    problems.push({ pointer: pointerTo([name]), message: 'This field is not known here.' });
  }
  if (problems.length > 0 || !Array.isArray(list)) throw refused('The body is wrong.', problems);
  return counted(list, source, noun);
}

function counted<T>(list: readonly T[], source: ItemSource & { kind: 'list' }, noun: string): readonly T[] {
  if (list.length > 0 && list.length <= source.most) return list;
  throw refused('The body is wrong.', [wrongList(source, noun)]);
}

function wrongList({ member, most }: ItemSource & { kind: 'list' }, noun: string): Problem {
  return { pointer: pointerTo([member]), message: `must be a list of 1–${most} ${noun}s` };
}

/** The texts of the elements when `text`, which is valid JSON, is an object with this one list and nothing else. */
function elementTexts(text: string, member: string): string[] | undefined {
  let at = afterSpace(text, 0);
  if (text[at] !== '{') return undefined;
  at = afterSpace(text, at + 1);
  const colon = text[at] === '"' ? closingQuote(text, at + 1) + 1 : -1;
  if (colon === -1 || JSON.parse(text.slice(at, colon)) !== member) return undefined;
  at = afterSpace(text, afterSpace(text, colon) + 1);
  if (text[at] !== '[') return undefined;
  const elements: string[] = [];
  at = afterSpace(text, at + 1);
  while (text[at] !== ']') {
    const end = afterValue(text, at);
    elements.push(text.slice(at, end));
    at = afterSpace(text, end);
    if (text[at] === ',') at = afterSpace(text, at + 1);
  }
  return text[afterSpace(text, at + 1)] === '}' ? elements : undefined;
}

/** The position after the JSON value that starts at `start`. */
function afterValue(text: string, start: number): number {
  const first = text[start];
  if (first === '{' || first === '[') return afterContainer(text, start);
  if (first === '"') return closingQuote(text, start + 1) + 1;
  let at = start;
  while (at < text.length && !/[\s,\]}]/.test(text[at] ?? '')) at++;
  return at;
}

function afterSpace(text: string, start: number): number {
  let at = start;
  while (at < text.length && (text.charCodeAt(at) === 0x20 || /[\t\n\r]/.test(text[at] ?? ''))) at++;
  return at;
}
