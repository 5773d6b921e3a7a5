/**
 * The journal: every accepted job on this process's own disk, from before its 202 until its final outcome was seen.
 *
 * Promises: `add` gives an entry its number, and its group resolves once it is on disk; groups of one turn of the event
 * loop share one write and one `fdatasync`. What was written is read back in order. An entry goes only when it is
 * settled; files go when all of theirs are. A torn end is cut at the next opening, damage in the middle is copied aside
 * and passed over. A journal that cannot be written refuses for a second and then tries a new file; it never answers for
 * what is not on disk. One process owns the folder (`claim.ts`).
 */

import { AppError, messageOf } from '../errors.ts';
import type { Deadline, Lifecycle } from '../lifecycle.ts';
import { within } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import type { JournalEntry } from './entry.ts';
import { Group } from './group.ts';
import { recover, removeSegment, writeNotes } from './recovery.ts';
import { full, refusal } from './refusal.ts';
import type { Seal } from './seal.ts';
import type { NumberedEntry, NumberedId, Page, Segment } from './segment.ts';
import { SegmentWriter, segmentBytesFor } from './segment-writer.ts';

export interface JournalOptions {
  /** Its own; exists already. */
  readonly folder: string;
  /** Encrypts what is written; plain unless given. */
  readonly seal?: Seal | undefined;
  /** Bytes on disk above which nothing is accepted. */
  readonly mostBytes: number;
  /** Throws when the folder has stopped being ours; asked before each answer that a write stands for. */
  readonly stillOurs: () => Promise<void>;
  readonly logger: Logger;
  readonly clock?: () => number;
  /** Bytes after which a new file is begun. */
  readonly segmentBytes?: number;
}

/** Bytes at which a group is closed: bounds what one write can fail for. */
const GROUP_BYTES = 1024 * 1024;
/** Bytes that may wait for the disk: one that hangs must not fill the memory. */
const MOST_UNSYNCED_BYTES = 64 * 1024 * 1024;
/** Milliseconds for which nothing is tried after a failed write. */
const REFUSE_MS = 1000;
/** Share of open entries below which a finished file is rewritten, and the bytes from which that pays. */
const SPARSE = 0.25;
const SPARSE_BYTES = 256 * 1024;

export class Journal implements Lifecycle {
  readonly folder: string;
  /** A small text that is written with the notes, and there again at the next opening. */
  memo: string;
  #memoNoted: string;
  readonly #seal: Seal | undefined;
  readonly #mostBytes: number;
  readonly #stillOurs: () => Promise<void>;
  readonly #logger: Logger;
  readonly #clock: () => number;
  readonly #writer: SegmentWriter;
  readonly #segments: Segment[];
  /** Groups that are not on disk yet, oldest first. */
  readonly #unsynced: Group[] = [];
  #unsyncedBytes = 0;
  /** Settled before they were on disk. */
  readonly #settledEarly: number[] = [];
  #end: number;
  #handedEnd: number;
  #handedNoted: number;
  #bytes = 0;
  #writing: Promise<void> | undefined;
  #inWrite: Group | undefined;
  #refusedUntilMs = 0;
  #lastError: unknown;
  #closed = false;

  private constructor(options: JournalOptions, recovered: Awaited<ReturnType<typeof recover>>) {
    this.folder = options.folder;
    this.#seal = options.seal;
    this.#mostBytes = options.mostBytes;
    this.#stillOurs = options.stillOurs;
    this.#logger = options.logger;
    this.#clock = options.clock ?? Date.now;
    this.#writer = new SegmentWriter(options.folder, options.segmentBytes ?? segmentBytesFor(options.mostBytes));
    this.#segments = recovered.segments;
    this.#end = recovered.end;
    this.memo = recovered.memo;
    this.#memoNoted = recovered.memo;
    this.#handedEnd = recovered.handedEnd;
    this.#handedNoted = recovered.handedEnd;
    this.#weigh();
  }

  /** Open the journal in a folder, with what an earlier process has left there. Throws `BootError` without its key. */
  static async open(options: JournalOptions): Promise<Journal> {
    const recovered = await recover(options.folder, options.seal, options.logger);
    const journal = new Journal(options, recovered);
    await journal.dropFinished();
    return journal;
  }

  /** The number that the next entry gets. */
  get end(): number {
    return this.#end;
  }

  /** Every entry below this number has been handed over. */
  get handedEnd(): number {
    return this.#handedEnd;
  }

  /** Entries on disk whose final outcome was not seen. */
  get open(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.open, 0);
  }

  /** Bytes of its files. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Why nothing can be written just now; undefined when nothing is known against it. */
  get trouble(): string | undefined {
    return this.#clock() < this.#refusedUntilMs ? messageOf(this.#lastError) : undefined;
  }

  /**
   * Take an entry in; returns its number and the group that it will be on disk with. Throws `journal-full` when the
   * limit is reached or the disk has just refused.
   */
  add(entry: JournalEntry): { number: number; group: Group } {
    if (this.#closed) throw new AppError('shutting-down', 'The journal is closed.');
    if (this.#clock() < this.#refusedUntilMs) throw refusal(this.#lastError);
    if (this.bytes >= this.#mostBytes) {
      throw full(`The journal holds ${this.bytes} bytes; JOURNAL_MAX_BYTES is ${this.#mostBytes}.`);
    }
    if (this.#unsyncedBytes >= MOST_UNSYNCED_BYTES) {
      throw full(`${this.#unsyncedBytes} bytes wait for a disk that does not take them.`);
    }
    return this.#push(entry, false);
  }

  /** Entries from a number on that are not settled, in order, also those that are not on disk yet. */
  async read(from: number): Promise<Page<NumberedEntry>> {
    // All of it is taken before anything is waited for: a group may reach the disk, and a file go, while others are read.
    const end = this.#end;
    const unsynced = this.#unsynced.filter((group) => group.first + group.count > from);
    for (const segment of this.#segmentsFrom(from)) {
      const read = await segment.read(from, this.#seal);
      if (read.entries.length > 0) return read;
    }
    return { entries: unsynced.flatMap((group) => group.from(from)).filter(({ number }) => number < end), next: end };
  }

  /** As `read`, without what is in the entries, and only of what is on disk. */
  async list(from: number): Promise<Page<NumberedId>> {
    const end = this.#end;
    for (const segment of this.#segmentsFrom(from)) {
      const listed = await segment.list(from, this.#seal);
      if (listed.entries.length > 0) return listed;
    }
    return { entries: [], next: end };
  }

  /** Every entry below `number` has been handed over. Written down by `note`. */
  handed(number: number): void {
    if (number > this.#handedEnd) this.#handedEnd = number;
  }

  /** Take notice of final outcomes: these entries are not needed any more. */
  settle(numbers: readonly number[]): void {
    const first = this.#unsynced[0]?.first ?? this.#end;
    for (const number of numbers) {
      if (number >= first) this.#settledEarly.push(number);
      else this.#segments.find((each) => each.has(number))?.settle(number);
    }
  }

  /** Write down progress and outcomes. Needs no sync: what is forgotten is found out again, and repeating is harmless. */
  async note(): Promise<void> {
    const handedEnd = this.#handedEnd;
    const memo = this.memo;
    await writeNotes(this.folder, this.#segments, {
      handedEnd: handedEnd > this.#handedNoted ? handedEnd : undefined,
      memo: memo === this.#memoNoted ? undefined : memo,
    });
    this.#handedNoted = handedEnd;
    this.#memoNoted = memo;
  }

  /** Remove files whose entries are all settled: also on a disk that takes no more, and needs it most. */
  async dropFinished(): Promise<void> {
    for (const segment of this.#finishing()) {
      if (segment.open > 0) continue;
      this.#segments.splice(this.#segments.indexOf(segment), 1);
      await removeSegment(segment);
      this.#weigh();
    }
  }

  /** Rewrite files in which few entries are open, so that they can go. */
  async compact(): Promise<void> {
    for (const segment of this.#finishing()) {
      const sparse = segment.bytes >= SPARSE_BYTES && segment.open < SPARSE * (segment.open + segment.gone);
      if (segment.open > 0 && sparse) await this.#rewrite(segment);
    }
  }

  /** Take in entries of another journal, or of another file. Resolves once they are on disk; `added` is told at once. */
  async adopt(entries: readonly NumberedEntry[], added: (entry: NumberedEntry) => void = () => {}): Promise<void> {
    if (this.trouble !== undefined) throw refusal(this.#lastError);
    const groups = new Set<Group>();
    for (const { entry, handed } of entries) {
      const { number, group } = this.#push(entry, handed);
      added({ number, entry, handed });
      groups.add(group);
    }
    await Promise.all([...groups].map((group) => group.synced));
  }

  /** Write what is left and close the file. */
  async stop(deadline: Deadline): Promise<void> {
    if (this.#closed) return;
    const written = (this.#writing ?? Promise.resolve()).then(() => this.note());
    await within(deadline.leftMs, written, () => new Error('the journal was still writing'));
    this.#closed = true;
    await this.#writer.close();
  }

  #push(entry: JournalEntry, handed: boolean): { number: number; group: Group } {
    let group = this.#unsynced.at(-1);
    if (group === undefined || group === this.#inWrite || group.handed !== handed || group.bytes >= GROUP_BYTES) {
      group = new Group(this.#end, handed);
      this.#unsynced.push(group);
      this.#writing ??= new Promise<void>((resolve) => setImmediate(resolve)).then(() => this.#writeGroups());
    }
    const before = group.bytes;
    const number = group.push(entry);
    this.#unsyncedBytes += group.bytes - before;
    this.#end = number + 1;
    return { number, group };
  }

  async #writeGroups(): Promise<void> {
    for (let group = this.#unsynced[0]; group !== undefined; group = this.#unsynced[0]) {
      this.#inWrite = group;
      try {
        await this.#write(group);
        group.resolve();
      } catch (error) {
        this.#refuse(error);
        group.reject(refusal(error));
      }
      this.#unsynced.shift();
      this.#unsyncedBytes -= group.bytes;
      this.settle(this.#settledEarly.splice(0));
    }
    this.#inWrite = undefined;
    this.#writing = undefined;
  }

  async #write(group: Group): Promise<void> {
    const body = this.#seal === undefined ? group.body : this.#seal.close(group.body);
    const { first, count, handed } = group;
    const head = { kind: handed ? 'handed' : 'accepted', sealed: this.#seal !== undefined, count, first } as const;
    await this.#writer.write(head, body, (segment) => this.#segments.push(segment));
    this.#weigh();
    await this.#stillOurs();
  }

  #segmentsFrom(number: number): Segment[] {
    return this.#segments.filter((segment) => segment.end > number && segment.open > 0);
  }

  /** Files that are not written any more and whose entries have all been handed over. */
  #finishing(): Segment[] {
    return this.#segments.filter((segment) => segment !== this.#writer.segment && segment.end <= this.#handedEnd);
  }

  #weigh(): void {
    this.#bytes = this.#segments.reduce((sum, segment) => sum + segment.bytes, 0);
  }

  async #rewrite(segment: Segment): Promise<void> {
    for (let from = segment.first; from < segment.end; ) {
      const { entries, next } = await segment.read(from, this.#seal);
      await this.adopt(entries.map((each) => ({ ...each, handed: true })));
      this.settle(entries.map(({ number }) => number));
      from = next;
    }
  }

  #refuse(error: unknown): void {
    if (this.#clock() >= this.#refusedUntilMs) {
      this.#logger.error({ err: { message: messageOf(error) }, folder: this.folder }, 'the journal cannot be written');
    }
    this.#lastError = error;
    this.#refusedUntilMs = this.#clock() + REFUSE_MS;
  }
}
