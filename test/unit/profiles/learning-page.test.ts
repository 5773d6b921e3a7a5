import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FEATURES } from '../../../src/profiles/style.ts';

const page = readFileSync(new URL('../../../docs/learning.md', import.meta.url), 'utf8');

describe('docs/learning.md', () => {
  it('has the table of features as it is in the code, and no other row', () => {
    const rows = page.split('\n').filter((line) => /^\| `\w+` \|.*\|.*\|.*\|.*\|.*\|/.test(line));
    const expected = FEATURES.map(
      ({ name, label, unit, direction, typical, scale, within }) =>
        `| \`${name}\` | ${[label, unit, direction, typical, scale, within].join(' | ')} |`,
    );
    expect(rows).toEqual(expected);
  });
});
