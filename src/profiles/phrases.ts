/**
 * The words that an edit exchanged or cut, found where a removed run stands beside an added one.
 *
 * Promises: lower case, at most `LISTED` of each, first ones first, none longer than `PHRASE_WORDS` words or
 * `PHRASE_CHARACTERS` characters; only where the words around stayed, so that a rewritten passage gives none.
 */

import { AUXILIARIES } from './lexicons.ts';
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
    const [removed, added] = [wordsOf(run), wordsOf(next)];
    const from = phrase(removed.slice(surplus(removed, added)));
    const to = phrase(added.slice(surplus(added, removed)));
    return from === undefined || to === undefined || from === to ? [] : [{ from, to }];
  });
}

function cuts(runs: readonly Run[]): string[] {
  return runs.flatMap((run, i) => {
    const [previous, next] = [runs[i - 1], runs[i + 1]];
    if (run.fate !== 'removed' || next?.fate === 'added' || !isFlanked(previous, next)) return [];
    return phrase(wordsOf(run)) ?? [];
  });
}

function isFlanked(previous: Run | undefined, next: Run | undefined): boolean {
  const kept = [previous, next].flatMap((run) => (run?.fate === 'kept' ? run.units : []));
  return kept.filter((unit) => unit.kind === 'word').length >= KEPT_BESIDE;
}

/** The units of a run from its first word to its last. */
function wordsOf({ units }: Run): readonly Unit[] {
  const first = units.findIndex((unit) => unit.kind === 'word');
  const last = units.findLastIndex((unit) => unit.kind === 'word');
  return first < 0 ? [] : units.slice(first, last + 1);
}

/** How many pronouns and auxiliaries at its start make a run longer than another: of "could utilize → use" the "could". */
function surplus(units: readonly Unit[], other: readonly Unit[]): number {
  const length = (run: readonly Unit[]) => run.reduce((sum, unit) => sum + unit.normals.length, 0);
  let longer = length(units) - length(other);
  let count = 0;
  for (const { normals } of units) {
    if (longer < normals.length || !normals.every((word) => AUXILIARIES.has(word))) break;
    longer -= normals.length;
    count += 1;
  }
  return count;
}

/** Units as one phrase in lower case; undefined when they are no short phrase of words. */
function phrase(units: readonly Unit[]): string | undefined {
  const text = units.map((unit) => unit.text).join(' ');
  const fits = units.length > 0 && units.length <= PHRASE_WORDS && text.length <= PHRASE_CHARACTERS;
  const worded = units.every((unit) => unit.kind === 'word') && /^\P{N}*\p{L}\P{N}*$/u.test(text);
  return fits && worded ? text : undefined;
}

function tally(found: readonly { from: string; to: string }[]): Substitution[] {
  const byKey = new Map<string, Substitution>();
  for (const { from, to } of found) {
    const key = JSON.stringify([from, to]);
    byKey.set(key, { from, to, count: (byKey.get(key)?.count ?? 0) + 1 });
  }
  return [...byKey.values()].slice(0, LISTED);
}
