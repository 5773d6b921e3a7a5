import { expect, test } from 'vitest';
import { type AttemptMeasure, AttemptMeasures } from '../../../workers/attempt-measures.ts';
import { eventually } from '../../support/millrace-process.ts';

const measure = (runMs: number): AttemptMeasure => ({
  queue: 'probe',
  job: 'probe.run',
  tenant: 'default',
  outcome: 'completed',
  waitMs: 0,
  runMs,
  endedAtMs: 0,
  first: true,
  dead: false,
});

function start() {
  const told: number[] = [];
  return { measures: new AttemptMeasures(({ runMs }) => void told.push(runMs)), told };
}

test('a hundred measures are handed on at once, in order', () => {
  const { measures, told } = start();
  for (let each = 0; each < 99; each++) measures.add(measure(each));
  expect(told).toEqual([]);
  measures.add(measure(99));
  expect(told).toEqual(Array.from({ length: 100 }, (_, index) => index));
});

test('fewer are handed on by themselves soon after, or when they are asked for', async () => {
  const { measures, told } = start();
  measures.add(measure(1));
  await eventually(
    async () => told,
    (all) => all.length === 1,
    5000,
  );
  measures.add(measure(2));
  measures.flush();
  measures.flush();
  expect(told).toEqual([1, 2]);
});
