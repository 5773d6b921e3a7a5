import { expect, it } from 'vitest';
import { RelayPace } from '../../../src/accepting/relay-pace.ts';

/** Turns of the event loop that accept so many jobs each; what a batch must have before the last one is over, at its end. */
function early(...turns: number[]): number {
  const pace = new RelayPace();
  for (const [index, jobs] of turns.entries()) {
    if (index > 0) pace.turned();
    for (let job = 0; job < jobs; job++) pace.accepted();
  }
  return pace.early;
}

it.each([
  ['the first job after a quiet turn', [1], 1],
  ['the first job after two', [2, 1], 1],
  ['the second job of a turn', [2], 24],
  ['the first job after a busy turn', [40, 1], 24],
  ['any job after a turn of many', [400, 1], 100],
  ['the first job after a turn of none', [400, 0, 1], 1],
])('hands over early: %s', (_name, turns, jobs) => {
  expect(early(...turns)).toBe(jobs);
});
