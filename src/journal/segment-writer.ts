/**
 * Writing the file at the end of the journal.
 *
 * Promises: what `write` resolved for is on disk: the file is opened with O_DSYNC, so that a write returns when it is,
 * as if `fdatasync` had followed, with one trip to the thread pool for both. After a failed write or sync nothing more is asked of that
 * descriptor, for the system may have dropped the pages and would call the next sync a success: the file is closed, cut
 * back to what was known to be whole, and the next write begins a new one.
 */

import { constants, type FileHandle, open, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncFolder } from '../whole-file.ts';
import { encodeHead, HEAD_BYTES, type RecordHead } from './record.ts';
import { Segment } from './segment.ts';

/** A write returns once its data are on disk; 0 where the system has no such flag. */
const DSYNC = constants.O_DSYNC ?? 0;

/** Bytes after which a new file is begun: small enough that finished ones free their place soon. */
const SEGMENT_BYTES = 8 * 1024 * 1024;

/** Several files have to fit below the limit: the one that is being written is never dropped. */
export function segmentBytesFor(mostBytes: number): number {
  return mostBytes === 0 ? SEGMENT_BYTES : Math.min(SEGMENT_BYTES, mostBytes / 4);
}

export class SegmentWriter {
  readonly #folder: string;
  readonly #segmentBytes: number;
  #segment: Segment | undefined;
  #file: FileHandle | undefined;

  constructor(folder: string, segmentBytes: number) {
    this.#folder = folder;
    this.#segmentBytes = segmentBytes;
  }

  /** The file that is being written; undefined before the first write and after a failure. */
  get segment(): Segment | undefined {
    return this.#segment;
  }

  /** Write a record and wait until it is on disk. `began` is told of a new file. */
  async write(head: RecordHead, body: Buffer, began: (segment: Segment) => void): Promise<void> {
    try {
      if (this.#segment !== undefined && this.#segment.bytes >= this.#segmentBytes) await this.close();
      const { file, segment } = await this.#current(head.first, began);
      const bytes = encodeHead(head, body);
      const offset = segment.bytes;
      await writeAll(file, [bytes, body], offset);
      if (DSYNC === 0) await file.datasync();
      segment.wrote({ ...head, offset, length: HEAD_BYTES + body.length });
    } catch (error) {
      await this.#abandon();
      throw error;
    }
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    this.#segment = undefined;
    await file?.close();
  }

  async #current(first: number, began: (segment: Segment) => void): Promise<{ file: FileHandle; segment: Segment }> {
    if (this.#file !== undefined && this.#segment !== undefined) return { file: this.#file, segment: this.#segment };
    const path = join(this.#folder, `${String(first).padStart(16, '0')}.log`);
    const file = await open(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | DSYNC, 0o600);
    this.#file = file;
    this.#segment = new Segment(path, first);
    began(this.#segment);
    await syncFolder(dirname(path));
    return { file, segment: this.#segment };
  }

  /** Give up the file after a failure, keeping what was whole before. */
  async #abandon(): Promise<void> {
    const segment = this.#segment;
    const file = this.#file;
    this.#file = undefined;
    this.#segment = undefined;
    // The failure itself is what the caller is told. What cannot be cut off is told from the whole by its checksum.
    await file?.close().catch(() => {});
    if (segment !== undefined) await truncate(segment.path, segment.bytes).catch(() => {});
  }
}

async function writeAll(file: FileHandle, parts: readonly Buffer[], position: number): Promise<void> {
  const wanted = parts.reduce((sum, part) => sum + part.length, 0);
  const { bytesWritten } = await file.writev(parts, position);
  if (bytesWritten === wanted) return;
  // A short write is what a disk that has just become full answers; the next one tells why.
  const rest = Buffer.concat(parts).subarray(bytesWritten);
  for (let done = 0; done < rest.length; ) {
    const more = await file.write(rest, done, rest.length - done, position + bytesWritten + done);
    if (more.bytesWritten === 0) throw Object.assign(new Error('The disk takes no more bytes.'), { code: 'ENOSPC' });
    done += more.bytesWritten;
  }
}
