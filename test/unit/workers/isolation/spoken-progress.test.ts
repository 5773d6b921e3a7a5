import { expect, test } from 'vitest';
import { SpokenProgress } from '../../../../workers/isolation/spoken-progress.ts';

function spoken(fits: (value: number | object) => boolean = () => true) {
  const said: unknown[] = [];
  const progress = new SpokenProgress({
    say: (value) => {
      said.push(value);
      return fits(value);
    },
  });
  return { said, progress };
}

test('one value is said at a time, and of those that wait the newest', async () => {
  const { said, progress } = spoken();
  const told = [1, 2, 3].map((value) => progress.say(value));
  expect(said).toEqual([1]);
  progress.reported(undefined);
  expect(said).toEqual([1, 3]);
  progress.reported(undefined);
  await expect(Promise.all(told)).resolves.toEqual([undefined, undefined, undefined]);
});

test('a value that could not be reported rejects, and the next one is said all the same', async () => {
  const { said, progress } = spoken();
  const first = progress.say(1);
  const second = progress.say(2);
  progress.reported({ type: 'app', code: 'store-unavailable', message: 'Away.' });
  await expect(first).rejects.toMatchObject({ code: 'store-unavailable' });
  progress.reported(undefined);
  await second;
  expect(said).toEqual([1, 2]);
});

test.each([
  ['too long', () => false, 'more than 1000000 bytes'],
  [
    'no JSON',
    () => {
      throw new TypeError('circular');
    },
    'circular',
  ],
])('a value that is %s rejects and is waited for no longer', async (_what, say, message) => {
  let first = true;
  const { progress } = spoken(() => {
    if (!first) return true;
    first = false;
    return say();
  });
  await expect(progress.say({})).rejects.toThrow(message);
  const next = progress.say(2);
  progress.reported(undefined);
  await expect(next).resolves.toBeUndefined();
});
