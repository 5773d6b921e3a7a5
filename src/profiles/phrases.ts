/**
 * The words that an edit exchanged or cut, found where a removed run stands beside an added one.
 *
 * Promises: lower case, at most `LISTED` of each, first ones first, none longer than `PHRASE_WORDS` words or
 * `PHRASE_CHARACTERS` characters; only where the words around stayed, so that a rewritten passage gives none.
 */

import type { Passage, Run, Unit } from './revision.ts';

/** Words exchanged for others, in lower case. */
export interface Substitution {
  readonly from: string;
  readonly to: string;
  /** Times in this edit. */
  readonly count: number;
}

/** Substitutions, and cuts, that are kept of one edit, first ones first. */
const LISTED = 20;

/** Longest phrase that is kept, in words and in characters. */
const PHRASE_WORDS = 4;
const PHRASE_CHARACTERS = 60;

/** Words that must have stayed right beside a change for it to be about its words, not part of a rewrite. */
const KEPT_BESIDE = 2;

/** Words exchanged for others in these passages. */
export function substitutionsIn(passages: readonly Passage[]): Substitution[] {
  return tally(passages.flatMap(({ runs }) => substitutions(runs)));
}

/** Phrases taken out of sentences that stayed, each once. */
export function cutsIn(passages: readonly Passage[]): string[] {
  return [...new Set(passages.flatMap(({ runs }) => cuts(runs)))].slice(0, LISTED);
}

function substitutions(runs: readonly Run[]): { from: string; to: string }[] {
  return runs.flatMap((run, i) => {
    const next = runs[i + 1];
    if (run.fate !== 'removed' || next?.fate !== 'added' || !isFlanked(runs[i - 1], runs[i + 2])) return [];
    const from = phrase(run.units);
    const to = phrase(next.units);
    return from === undefined || to === undefined || from === to ? [] : [{ from, to }];
  });
}

function cuts(runs: readonly Run[]): string[] {
  return runs.flatMap((run, i) => {
    const [previous, next] = [runs[i - 1], runs[i + 1]];
    if (run.fate !== 'removed' || next?.fate === 'added' || !isFlanked(previous, next)) return [];
    return phrase(run.units) ?? [];
  });
}

function isFlanked(previous: Run | undefined, next: Run | undefined): boolean {
  const kept = [previous, next].flatMap((run) => (run?.fate === 'kept' ? run.units : []));
  return kept.filter((unit) => unit.kind === 'word').length >= KEPT_BESIDE;
}

/** The words of a run as one phrase, marks around them left out; undefined when it is no short phrase of words. */
function phrase(units: readonly Unit[]): string | undefined {
  const words = units.filter((unit) => unit.kind === 'word');
  const first = units.findIndex((unit) => unit.kind === 'word');
  const unbroken = units.slice(first, first + words.length).every((unit) => unit.kind === 'word');
  const text = words.map((word) => word.text.toLowerCase()).join(' ');
  const fits = words.length > 0 && words.length <= PHRASE_WORDS && text.length <= PHRASE_CHARACTERS;
  return fits && unbroken && /^\P{N}*\p{L}\P{N}*$/u.test(text) ? text : undefined;
}

function tally(found: readonly { from: string; to: string }[]): Substitution[] {
  const byKey = new Map<string, Substitution>();
  for (const { from, to } of found) {
    const key = JSON.stringify([from, to]);
    byKey.set(key, { from, to, count: (byKey.get(key)?.count ?? 0) + 1 });
  }
  return [...byKey.values()].slice(0, LISTED);
}
