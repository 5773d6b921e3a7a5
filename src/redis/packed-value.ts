/**
 * How the text of a cached value stands in Redis: as it is, or from 1 KB on deflated behind a mark.
 *
 * Promises: what was packed comes back as it was. A short text is stored as it is, so is a very long one, and one that
 * packing does not make a quarter smaller. The mark begins with a byte that stands nowhere in UTF-8, so no text can be taken for a
 * packed one. What is damaged, cut, or would be longer than anything that is packed, is no value. Pure.
 */

import { constants, deflateSync, inflateSync } from 'node:zlib';

/** 0xFF, and which way of packing it is. */
const MARK = Buffer.from([0xff, 0x7a]);
/** Bytes up to which a text is not worth the work. */
const SMALL_BYTES = 1024;
/** Bytes above which packing would hold the process up for more than about 3 ms, and unpacking for 2. */
const LARGE_BYTES = 1024 * 1024;
/** How much of the text's bytes a packed one may take: above that the work of each read buys too little. */
const WORTH_IT = 0.75;

/** What to store for a text. */
export function pack(text: string): string | Buffer {
  const bytes = Buffer.byteLength(text);
  if (bytes <= SMALL_BYTES || bytes > LARGE_BYTES) return text;
  const packed = Buffer.concat([MARK, deflateSync(text, { level: constants.Z_BEST_SPEED })]);
  return packed.length <= bytes * WORTH_IT ? packed : text;
}

/** The text of what is stored; undefined when it is packed and cannot be believed. */
export function unpack(stored: Buffer): string | undefined {
  if (!stored.subarray(0, MARK.length).equals(MARK)) return stored.toString();
  try {
    return inflateSync(stored.subarray(MARK.length), { maxOutputLength: LARGE_BYTES }).toString();
  } catch {
    return undefined;
  }
}
