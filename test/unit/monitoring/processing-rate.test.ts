import { expect, test } from 'vitest';
import { ProcessingRate } from '../../../src/monitoring/processing-rate.ts';

test('is not known before two looks that are ten seconds apart', () => {
  const rate = new ProcessingRate();
  expect([rate.at(0, 100), rate.at(9999, 200), rate.at(10_000, 200)]).toEqual([null, null, 10]);
});

test('is that of the last minute, however often somebody looks', () => {
  const rate = new ProcessingRate();
  for (let second = 0; second <= 600; second++) rate.at(second * 1000, second * 5);
  expect(rate.at(660_000, 3000 + 600)).toBe(10);
  expect(rate.at(720_000, 3600)).toBe(0);
});

test('is known also when looks are rarer than its window', () => {
  const rate = new ProcessingRate();
  rate.at(0, 0);
  expect([rate.at(300_000, 600), rate.at(600_000, 900)]).toEqual([2, 1]);
});

test('starts anew when the total went down', () => {
  const rate = new ProcessingRate();
  rate.at(0, 1000);
  expect([rate.at(60_000, 5), rate.at(80_000, 25)]).toEqual([null, 1]);
});
