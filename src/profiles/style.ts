/**
 * Style in numbers: measure a text, and measure what an edit changed.
 *
 * Promises: pure and deterministic, the same texts give the same numbers on every machine; any two strings are
 * answered in bounded time and space (the first `WORD_LIMIT` words of each are looked at); the linguistic library is
 * loaded on first use. English is what it knows: other languages are measured by their form only.
 */

import { deltasOf, type StyleDeltas } from './deltas.ts';
import { analyse } from './language.ts';
import { measure, type StyleMeasure } from './measurement.ts';
import { revise } from './revision.ts';

export type { StyleDeltas } from './deltas.ts';
export { FEATURES, type FeatureName } from './features.ts';
export type { StyleMeasure } from './measurement.ts';

/** Measure the style of a text: a value per feature, a relative frequency per common word. */
export async function measureStyle(text: string): Promise<StyleMeasure> {
  return measure(await analyse(text));
}

/** Measure what an edit changed, from the text before to the text after. */
export async function extractDeltas(originalText: string, editedText: string): Promise<StyleDeltas> {
  const before = await analyse(originalText);
  const after = originalText === editedText ? before : await analyse(editedText);
  return deltasOf(measure(before), measure(after), revise(before, after));
}
