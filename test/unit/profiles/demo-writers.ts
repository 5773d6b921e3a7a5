/** The three writers of the demo, learned from the edits that the repository ships. */

import demoEdits from '../../../src/cli/demo/edits.json' with { type: 'json' };
import type { LearnedEdit } from '../../../src/profiles/patterns.ts';
import { extractDeltas, type StyleDeltas } from '../../../src/profiles/style.ts';
import { addEdit, EMPTY_SUMS, type Summary, summarise } from '../../../src/profiles/sums.ts';

/** One shipped edit. */
export type DemoEdit = (typeof demoEdits)[number];

export const WRITERS = ['ada', 'bruno', 'chen'] as const;

export type Writer = (typeof WRITERS)[number];

/** The edits of one writer, in order. */
export function editsOf(writer: Writer): DemoEdit[] {
  return demoEdits.filter((edit) => edit.userId === writer);
}

/** A learned writer. */
export interface LearnedWriter {
  readonly summary: Summary;
  readonly edits: readonly (LearnedEdit & { readonly deltas: StyleDeltas })[];
}

/** Learn from these edits, one a day. */
export async function learnFrom(edits: readonly DemoEdit[]): Promise<LearnedWriter> {
  let sums = EMPTY_SUMS;
  const learned: LearnedWriter['edits'][number][] = [];
  for (const [day, { contentId, originalText, editedText }] of edits.entries()) {
    const deltas = await extractDeltas(originalText, editedText);
    const savedAt = new Date(Date.UTC(2026, 0, 1 + day));
    sums = addEdit(sums, deltas, savedAt);
    learned.push({ id: contentId, savedAt, deltas });
  }
  return { summary: summarise(sums), edits: learned };
}
