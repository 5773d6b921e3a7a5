/**
 * What a writer changed: the difference between two analysed texts, first by sentences, then by the words of those
 * sentences that changed.
 *
 * Promises: depends on the texts alone, never on a clock; bounded by `maxEditLength` (Myers' algorithm takes time
 * quadratic in it), and what exceeds the bound counts as rewritten: all of it removed, all of it added.
 */

import { diffArrays } from 'diff';
import { type Analysis, isWord, type Token } from './token.ts';

/** One word (with its contraction), mark, emoji or paragraph break. */
export interface Unit {
  /** In lower case, because case follows from where sentences begin; a paragraph break is `¶`. */
  readonly text: string;
  readonly kind: 'word' | 'punctuation' | 'emoji' | 'break';
  /** Lower case with contractions expanded: one entry, or two for `don't`. */
  readonly normals: readonly string[];
  /** Number of its sentence in its text. */
  readonly sentence: number;
}

/** Neighbouring units with the same fate. */
export interface Run {
  readonly fate: 'kept' | 'removed' | 'added';
  readonly units: readonly Unit[];
}

/** A passage that changed, between sentences that did not. */
export interface Passage {
  readonly runs: readonly Run[];
  /** Was it longer than the bound, so that no words were compared? */
  readonly rewritten: boolean;
}

/** The difference between two texts. */
export interface Revision {
  readonly passages: readonly Passage[];
  /** Units of the text before, and of the text after. */
  readonly before: number;
  readonly after: number;
}

/** Changed sentences that are told apart, at most. */
const SENTENCE_EDITS = 1_000;

/** Changed words that are told apart in one passage, at most, and in all passages together. */
const WORD_EDITS = 1_000;
const ALL_WORD_EDITS = 2_000;

/** Compare two texts. */
export function revise(before: Analysis, after: Analysis): Revision {
  const old = unitsBySentence(before);
  const young = unitsBySentence(after);
  const changes = diffArrays(old.map(keyOf), young.map(keyOf), { maxEditLength: SENTENCE_EDITS }) ?? [
    { removed: true, added: false, count: old.length },
    { removed: false, added: true, count: young.length },
  ];
  const passages: Passage[] = [];
  let budget = ALL_WORD_EDITS;
  let removed: Unit[] = [];
  let added: Unit[] = [];
  const [oldAt, youngAt] = [old.values(), young.values()];
  const close = () => {
    if (removed.length + added.length === 0) return;
    const passage = compare(removed, added, Math.min(WORD_EDITS, budget));
    budget -= passage.rewritten ? 0 : changedUnits(passage);
    passages.push(passage);
    removed = [];
    added = [];
  };
  for (const change of changes) {
    if (!change.removed && !change.added) close();
    for (let i = 0; i < change.count; i += 1) {
      const gone = change.added ? [] : (oldAt.next().value ?? []);
      const come = change.removed ? [] : (youngAt.next().value ?? []);
      if (change.removed) removed.push(...gone);
      if (change.added) added.push(...come);
    }
  }
  close();
  return { passages, before: old.flat().length, after: young.flat().length };
}

function compare(removed: readonly Unit[], added: readonly Unit[], maxEditLength: number): Passage {
  const changes =
    maxEditLength > 0 ? diffArrays([...removed], [...added], { comparator: same, maxEditLength }) : undefined;
  if (changes === undefined) {
    const runs: Run[] = [
      { fate: 'removed', units: removed },
      { fate: 'added', units: added },
    ];
    return { runs: runs.filter((run) => run.units.length > 0), rewritten: true };
  }
  const runs = changes.map(({ value, ...change }): Run => {
    if (change.removed) return { fate: 'removed', units: value };
    return { fate: change.added ? 'added' : 'kept', units: value };
  });
  return { runs, rewritten: false };
}

function same(a: Unit, b: Unit): boolean {
  return a.text === b.text;
}

/** How many units of a passage were removed or added. */
export function changedUnits({ runs }: Passage): number {
  return runs.reduce((sum, run) => sum + (run.fate === 'kept' ? 0 : run.units.length), 0);
}

function keyOf(units: readonly Unit[]): string {
  return units.map((unit) => unit.text).join(' ');
}

function unitsBySentence({ sentences }: Analysis): Unit[][] {
  return sentences.map((sentence, i) => unitsOf(sentence, i));
}

function unitsOf(sentence: readonly Token[], number: number): Unit[] {
  const units: Unit[] = [];
  for (const token of sentence) {
    const last = units.at(-1);
    const text = token.text.toLowerCase();
    if (token.glued && last !== undefined) {
      units[units.length - 1] = { ...last, text: last.text + text, normals: [...last.normals, token.normal] };
    } else if (token.kind !== 'break') {
      const kind = isWord(token) || token.kind === 'other' ? 'word' : token.kind === 'emoji' ? 'emoji' : 'punctuation';
      units.push({ text, kind, normals: kind === 'word' ? [token.normal] : [], sentence: number });
    } else if (/\n\s*\n/.test(text)) {
      // Only an empty line is a change that a reader sees; where a line wraps is not.
      units.push({ text: '¶', kind: 'break', normals: [], sentence: number });
    }
  }
  return units;
}
