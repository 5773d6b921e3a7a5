/** Packing a cached text: nothing is lost, nothing damaged is believed, and nothing large comes out of something small. */

import { randomBytes } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { pack, unpack } from '../../../src/redis/packed-value.ts';

/** As Redis gives it back. */
const stored = (text: string) => Buffer.from(pack(text));
const json = (bytes: number) => JSON.stringify('rows and columns '.repeat(bytes).slice(0, bytes - 2));
const MB = 1024 * 1024;
const packed = stored(json(10_000));
const mark = packed.subarray(0, 2);

describe('a text', () => {
  test.each([
    ['empty', ''],
    ['of 1 KB', json(1024)],
    ['too long to be packed while others wait', json(MB + 1)],
    ['that packing makes hardly smaller', JSON.stringify(randomBytes(3000).toString('base64'))],
    ['that is not JSON', '{"half":'],
  ])('%s is stored as it is', (_which, text) => {
    expect(pack(text)).toBe(text);
    expect(unpack(stored(text))).toBe(text);
  });

  test.each([1025, 8192, 300_000, MB])('of %i bytes is packed, and comes back as it was', (bytes) => {
    const text = json(bytes);
    expect(stored(text).length).toBeLessThan(bytes / 2);
    expect(unpack(stored(text))).toBe(text);
  });

  test('is measured in bytes', () => {
    expect(pack(JSON.stringify('ж'.repeat(600)))).toBeInstanceOf(Buffer);
    expect(pack(JSON.stringify('z'.repeat(600)))).toBeTypeOf('string');
  });

  test('of any value comes back as it was', () => {
    const values = fc.oneof(
      fc.jsonValue({ maxDepth: 4 }),
      fc.array(fc.string({ unit: 'binary' }), { minLength: 50, maxLength: 400 }),
      fc.tuple(fc.string({ unit: 'grapheme', minLength: 1 }), fc.nat(3000)).map(([each, times]) => each.repeat(times)),
    );
    fc.assert(
      fc.property(values, (value) => {
        const text = JSON.stringify(value);
        expect(unpack(stored(text))).toBe(text);
      }),
    );
  });

  test('that is packed is no JSON to a process that knows nothing of packing', () => {
    expect(() => JSON.parse(packed.toString()) as unknown).toThrow(SyntaxError);
  });
});

describe('what is stored', () => {
  test.each([
    ['a mark alone', mark],
    ['a mark with something else', Buffer.concat([mark, Buffer.from('{"a":1}')])],
    ['a packed text that was cut', packed.subarray(0, packed.length - 1)],
    ['a packed text without its check', packed.subarray(0, packed.length - 4)],
    ['a packed text that was stored as UTF-8', Buffer.concat([mark, Buffer.from(packed.subarray(2).toString())])],
    ['more than is ever packed', Buffer.concat([mark, deflateSync(Buffer.alloc(MB + 1))])],
    ['a bomb of 1 GB', Buffer.concat([mark, deflateSync(Buffer.alloc(1024 * MB))])],
  ])('%s is no value', (_what, bytes) => {
    expect(unpack(bytes)).toBeUndefined();
  });

  test.each([
    ['nothing', Buffer.alloc(0)],
    ['half a mark', mark.subarray(0, 1)],
    ['another mark', Buffer.from([0xff, 0x7b, 1, 2, 3])],
    ['plain text', Buffer.from('hello')],
    ['a zlib stream without a mark', packed.subarray(2)],
  ])('%s is given as it stands', (_what, bytes) => {
    expect(unpack(bytes)).toBe(bytes.toString());
  });

  test('with any one byte changed is no value, or the same one', () => {
    const text = json(10_000);
    fc.assert(
      fc.property(fc.integer({ min: 2, max: packed.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, by) => {
        const damaged = Buffer.from(packed);
        damaged[at] = (damaged[at] ?? 0) ^ by;
        expect([undefined, text]).toContain(unpack(damaged));
      }),
      { numRuns: 500 },
    );
  });
});
