/**
 * A passage with its author's habits mechanically flattened: what a writer might have been handed to edit.
 *
 * Promises: deterministic; touches contractions, marks, hedges, intensifiers and some words, so that the edit from it
 * to the passage is a real one.
 */

const PLAIN: readonly (readonly [RegExp, string])[] = [
  [/\b(do|does|did|is|are|was|were|have|has|had|would|could|should)n't\b/gi, '$1 not'],
  [/;|:(?=\s)/g, ','],
  [/\s*(?:--|—)\s*/g, ', '],
  [/!/g, '.'],
  [/["“”()]/g, ''],
  [/, and\b/g, ' and'],
  [/\b(?:very|indeed|truly|perhaps|probably|certainly|greatly|highly)\s/gi, ''],
  [/\bupon\b/gi, 'on'],
  [/\bwhich\b/gi, 'that'],
  [/\bwhilst\b|\bwhile\b/gi, 'as'],
  [/\bshall\b/gi, 'will'],
  [/\buse\b/gi, 'utilize'],
  [/\bneed\b/gi, 'require'],
  [/\bhelp\b/gi, 'facilitate'],
  [/\bmany\b/gi, 'numerous'],
];

/** The passage, flattened. */
export function neutralText(passage: string): string {
  return PLAIN.reduce((text, [pattern, plain]) => text.replace(pattern, plain), passage);
}
