import { describe, expect, it } from 'vitest';
import demoEdits from '../../../src/cli/demo/edits.json' with { type: 'json' };
import { WRITERS } from './demo-writers.ts';

describe('the demo edits', () => {
  it('are at least forty, of three writers, each of its own content', () => {
    expect(demoEdits.length).toBeGreaterThanOrEqual(40);
    expect(new Set(demoEdits.map((edit) => edit.userId))).toEqual(new Set(WRITERS));
    expect(new Set(demoEdits.map((edit) => edit.contentId)).size).toBe(demoEdits.length);
  });

  it('hold exactly what the API takes', () => {
    for (const edit of demoEdits) {
      expect(Object.keys(edit).sort()).toEqual(['contentId', 'editedText', 'originalText', 'userId']);
      expect(edit.originalText).not.toBe(edit.editedText);
      expect(edit.contentId).toMatch(/^[a-z]+(?:-[a-z]+)+$/);
    }
  });
});
