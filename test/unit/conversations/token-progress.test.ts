import { expect, it } from 'vitest';
import { type ReplyProgress, TokenProgress } from '../../../src/conversations/token-progress.ts';
import { latch } from '../../support/latch.ts';

/** A clock that stands still until it is moved, and what was told. */
function start(report: (told: ReplyProgress) => Promise<void> = async () => {}) {
  const told: ReplyProgress[] = [];
  let nowMs = 0;
  const progress = new TokenProgress(
    (each) => {
      told.push(each);
      return report(each);
    },
    () => nowMs,
  );
  const pass = async (ms: number) => {
    nowMs += ms;
    await Promise.resolve();
    await Promise.resolve();
  };
  return { told, progress, pass };
}

it('tells the first piece at once, then at most ten a second, and nothing of the text at the end', async () => {
  const { told, progress, pass } = start();
  for (let n = 0; n < 200; n++) {
    progress.add('ab');
    await pass(10);
  }
  await progress.end();
  expect(told).toHaveLength(21);
  expect(told[0]).toEqual({ characters: 2, from: 0, text: 'ab', done: false });
  expect(told.at(-1)).toEqual({ characters: 400, done: true });
});

it('tells the end of a long text, with its place', async () => {
  const { told, progress, pass } = start();
  progress.add('a');
  await pass(100);
  progress.add(`${'b'.repeat(5000)}c`);
  expect(told[1]).toMatchObject({ characters: 5002, from: 3002, done: false });
  expect(told[1]?.text).toHaveLength(2000);
  expect(told[1]?.text?.endsWith('bc')).toBe(true);
});

it('has one report under way at a time, and goes on when one fails', async () => {
  const gate = latch();
  const { told, progress, pass } = start(() => gate.opened.then(() => Promise.reject(new Error('away'))));
  for (let n = 0; n < 5; n++) {
    progress.add('a');
    await pass(1000);
  }
  expect(told).toHaveLength(1);
  gate.open();
  await progress.end();
  expect(told.at(-1)).toEqual({ characters: 5, done: true });
});
