/**
 * The records of a journal file: what was written in one go, with a checksum, so that damage is seen and skipped.
 *
 *   magic 4 · body length 4 · CRC-32 4 · kind 1 · sealed 1 · reserved 2 · count 4 · first number 8 · body
 *
 * The checksum covers everything after itself. A record begins at its magic, so that reading finds the next one behind
 * damaged bytes. Every entry has a number; a record's entries are numbered from its first number on.
 */

import { crc32 } from 'node:zlib';

/**
 * `accepted`: entries that are to be handed over. `handed`: entries that were handed over before they were written here,
 * by another journal or in another file.
 */
export type RecordKind = 'accepted' | 'handed';

export interface RecordHead {
  readonly kind: RecordKind;
  /** The body is encrypted. */
  readonly sealed: boolean;
  /** Entries in the body. */
  readonly count: number;
  /** Number of the first entry. */
  readonly first: number;
}

/** Where a record lies in its file. */
export interface RecordPlace extends RecordHead {
  /** Of the record's first byte. */
  readonly offset: number;
  /** Bytes of head and body. */
  readonly length: number;
}

export const HEAD_BYTES = 28;
/** No record is longer: a length above this is damage. */
export const MOST_RECORD_BYTES = 64 * 1024 * 1024;

const MAGIC = Buffer.from('MRJ1');
const KINDS: readonly RecordKind[] = ['accepted', 'handed'];

/** The head of a record with this body. */
export function encodeHead({ kind, sealed, count, first }: RecordHead, body: Buffer): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  MAGIC.copy(head);
  head.writeUInt32BE(body.length, 4);
  head.writeUInt8(KINDS.indexOf(kind), 12);
  head.writeUInt8(sealed ? 1 : 0, 13);
  head.writeUInt32BE(count, 16);
  head.writeDoubleBE(first, 20);
  head.writeUInt32BE(checksum(head, body), 8);
  return head;
}

function checksum(head: Buffer, body: Buffer): number {
  return crc32(body, crc32(head.subarray(12)));
}

/** The record at `at` of `bytes`, whose first byte lies at `base` in the file; undefined when no whole one is there. */
function readRecord(bytes: Buffer, at: number, base: number): { place: RecordPlace; body: Buffer } | undefined {
  const left = bytes.length - at;
  if (left < HEAD_BYTES || bytes.compare(MAGIC, 0, 4, at, at + 4) !== 0) return undefined;
  const bodyBytes = bytes.readUInt32BE(at + 4);
  const kind = KINDS[bytes.readUInt8(at + 12)];
  const length = HEAD_BYTES + bodyBytes;
  if (bodyBytes > MOST_RECORD_BYTES || kind === undefined || left < length) return undefined;
  const body = bytes.subarray(at + HEAD_BYTES, at + length);
  const head = bytes.subarray(at, at + HEAD_BYTES);
  if (checksum(head, body) !== head.readUInt32BE(8)) return undefined;
  const place: RecordPlace = {
    kind,
    sealed: head.readUInt8(13) === 1,
    count: head.readUInt32BE(16),
    first: head.readDoubleBE(20),
    offset: base + at,
    length,
  };
  return { place, body };
}

/** What reading a stretch of a file finds. */
export interface Scan {
  record(place: RecordPlace, body: Buffer): void;
  /** Bytes between two records that are none. */
  damage?(offset: number, bytes: Buffer): void;
}

/** Read all records of a stretch that ends where the file does, or before another record. Returns where they end. */
export function scanRecords(bytes: Buffer, base: number, scan: Scan): number {
  let whole = 0;
  let at = 0;
  while (at >= 0 && at < bytes.length) {
    const found = readRecord(bytes, at, base);
    if (found === undefined) {
      at = bytes.indexOf(MAGIC, at + 1);
      continue;
    }
    if (at > whole) scan.damage?.(base + whole, bytes.subarray(whole, at));
    scan.record(found.place, found.body);
    at += found.place.length;
    whole = at;
  }
  return base + whole;
}
