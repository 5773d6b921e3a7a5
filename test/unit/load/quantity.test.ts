import { describe, expect, it } from 'vitest';
import {
  plain,
  readDuration,
  readNumber,
  readShare,
  showCount,
  showMs,
  showShare,
  showSpan,
} from '../../load/quantity.ts';

describe('a quantity', () => {
  it('is read with its unit', () => {
    expect(['500ms', '60s', '1.5m', '2min', '1h'].map(readDuration)).toEqual([500, 60_000, 90_000, 120_000, 3_600_000]);
    expect(['1%', '0.1%', '0.25', '100%'].map(readShare)).toEqual([0.01, 0.001, 0.25, 1]);
    expect(['150', '0.5', '1e3'].map(readNumber)).toEqual([150, 0.5, 1000]);
  });

  it('is not guessed', () => {
    for (const text of ['60', '', 's', '-1s', '1 s', '1s2', 'Infinitys'])
      expect(readDuration(text), text).toBeUndefined();
    for (const text of ['101%', '1.5', '-1%', '%', 'half']) expect(readShare(text), text).toBeUndefined();
    for (const text of ['', '-1', '0x10', 'NaN', '1e99']) expect(readNumber(text), text).toBeUndefined();
  });

  it('is shown as short as it can be without lying', () => {
    expect([0, 0.0004, 0.04, 0.421, 3.44, 9.96, 123.4, 999.6, 1234, 59_940].map(showMs)).toEqual([
      '0 ms',
      '1 µs',
      '40 µs',
      '0.42 ms',
      '3.4 ms',
      '10.0 ms',
      '123 ms',
      '1.00 s',
      '1.23 s',
      '59.9 s',
    ]);
    expect([450, 2000, 45_500, 90_000, 3_600_000].map(showSpan)).toEqual([
      '450 ms',
      '2 s',
      '45.5 s',
      '1 min 30 s',
      '1 h',
    ]);
    expect([0, 0.00001, 0.0012, 0.034, 0.99999, 1].map(showShare)).toEqual([
      '0 %',
      '< 0.01 %',
      '0.12 %',
      '3.4 %',
      '> 99.9 %',
      '100 %',
    ]);
    expect([0, 0.5, 12.34, 1234.5, 1_000_000].map(showCount)).toEqual(['0', '0.5', '12.3', '1,235', '1,000,000']);
  });

  it('loses the digits that say nothing on an axis', () => {
    expect(['5.0 ms', '1.00 s', '0.50 ms', '1.25 s', '100 ms', '10'].map(plain)).toEqual([
      '5 ms',
      '1 s',
      '0.5 ms',
      '1.25 s',
      '100 ms',
      '10',
    ]);
  });
});
