import { expect, test } from 'vitest';
import { rewriting } from '../../../src/cli/demo/charts.ts';

test.each([
  [0.31, '31 % less of a draft than in their first five edits'],
  [1, '100 % less of a draft than in their first five edits'],
  [0.049, 'about as much of a draft as in their first five edits'],
  [0, 'about as much of a draft as in their first five edits'],
  [-0.01, 'about as much of a draft as in their first five edits'],
  [-0.05, '5 % more of a draft than in their first five edits'],
  [-1.5, '150 % more of a draft than in their first five edits'],
])('with an adaptation of %d the demo says what writers do, and which way is better', (lessBy, said) => {
  const [figure, aim] = rewriting(lessBy).split('\n');
  expect(figure).toBe(said);
  expect(aim).toMatch(/^ {20}Less means that drafts fit their writers better/);
});
