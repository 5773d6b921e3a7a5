/**
 * Files that callers bring and jobs make: a row each in `media_files`, the bytes in the storage.
 *
 * Promises: the same bytes of the same tenant are one file, whose id is their SHA-256; the bytes are durable before the
 * row is, so a row never points at nothing; another tenant's file is not there. The type is what the first bytes say.
 * An object's key is never used twice, so that removing an old one cannot hit a new one. PostgreSQL or the storage away
 * is `store-unavailable`, and what was begun is gone or is found by the sweep (`sweep.ts`).
 */

import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import { sql } from 'kysely';
import { asStoreError, type Database } from '../database/connection.ts';
import { AppError } from '../errors.ts';
import type { ByteRange, Draft, Storage } from '../providers/storage.ts';
import type { Expirable, Removal, RemovalRun } from '../removal.ts';
import { Measured } from './measured.ts';
import { sweepMedia } from './sweep.ts';

/** Bytes as they come; a list of pieces will do. */
export type ByteSource = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** Where a file came from: a request's body, an address, or a job. */
export type MediaOrigin = 'upload' | 'url' | 'made';

/** What is known of a file. */
export interface MediaFile {
  /** SHA-256 of the bytes, in hex. */
  readonly id: string;
  readonly bytes: number;
  /** By its first bytes; `application/octet-stream` when they say nothing. */
  readonly type: string;
  /** Of a picture, once a job has looked at it. */
  readonly width: number | null;
  readonly height: number | null;
  readonly origin: MediaOrigin;
  readonly createdAt: Date;
}

/** A file and its bytes. Read the stream to its end or destroy it. */
export interface OpenFile extends MediaFile {
  readonly stream: Readable;
}

export interface AddOptions {
  readonly origin: MediaOrigin;
  readonly width?: number;
  readonly height?: number;
  readonly signal?: AbortSignal;
}

/** A file, and whether it was there before. */
export interface Added {
  readonly file: MediaFile;
  readonly known: boolean;
}

export interface MediaFilesOptions {
  readonly database: Database;
  readonly storage: Storage;
  /** The most bytes that a file may have. */
  readonly maxBytes: number;
  /** Days after its last use that a file is kept; 0: for ever. */
  readonly keepDays: number;
}

const ID = /^[0-9a-f]{64}$/;
const COLUMNS = ['id', 'bytes', 'type', 'width', 'height', 'origin', 'created_at'] as const;
/** Using a file is noted at most once in this time. */
const NOTED = sql<Date>`now() - interval '1 hour'`;

export class MediaFiles implements Expirable {
  readonly #database: Database;
  readonly #storage: Storage;
  readonly #keepDays: number;
  /** The most bytes that a file may have. */
  readonly maxBytes: number;

  constructor({ database, storage, maxBytes, keepDays }: MediaFilesOptions) {
    this.#database = database;
    this.#storage = storage;
    this.#keepDays = keepDays;
    this.maxBytes = maxBytes;
  }

  /**
   * Keep all of `source`. Throws `media-too-large` as soon as it is, `media-damaged` when it is empty,
   * `store-unavailable`, and whatever `source` throws; nothing is kept then.
   */
  async add(tenant: string, source: ByteSource, options: AddOptions): Promise<Added> {
    const measured = new Measured(source, this.maxBytes);
    const draft = await this.#storage.receive(measured, options.signal);
    try {
      if (measured.bytes === 0) throw new AppError('media-damaged', 'The file is empty.');
      const known = await this.#known(tenant, measured);
      if (known !== undefined) return { file: known, known: true };
      return { file: await this.#keep(tenant, draft, measured, options), known: false };
    } finally {
      await draft.discard();
    }
  }

  /** The facts of a file. Throws `media-not-found` or `store-unavailable`. */
  async find(tenant: string, id: string): Promise<MediaFile> {
    const { object_key: _key, ...row } = await this.#row(tenant, id);
    return toFile(row);
  }

  /** A file with its bytes, or a part of them. Throws `media-not-found` or `store-unavailable`. */
  async open(tenant: string, id: string, range?: ByteRange, signal?: AbortSignal): Promise<OpenFile> {
    const { object_key: key, ...row } = await this.#row(tenant, id);
    const stream = await this.#storage.open(key, range, signal);
    if (stream === undefined) throw notFound();
    return { ...toFile(row), stream };
  }

  /** All bytes of a file at once. Throws as `open` does. */
  async read(tenant: string, id: string, signal?: AbortSignal): Promise<MediaFile & { readonly content: Buffer }> {
    const { stream, ...file } = await this.open(tenant, id, undefined, signal);
    const pieces: Buffer[] = [];
    for await (const piece of stream) pieces.push(piece as Buffer);
    return { ...file, content: Buffer.concat(pieces, file.bytes) };
  }

  /** Note how large a picture is. */
  async measure(tenant: string, id: string, size: { width: number; height: number }): Promise<void> {
    const { width, height } = size;
    await ask(
      this.#database
        .updateTable('media_files')
        .set({ width, height })
        .where('tenant', '=', tenant)
        .where('id', '=', id)
        .execute(),
    );
  }

  /** Remove files that nobody has used for long, objects without a row, and drafts that a dead process left. */
  removeExpired(run: RemovalRun): Promise<Removal> {
    return sweepMedia({ database: this.#database, storage: this.#storage, keepDays: this.#keepDays }, run);
  }

  /** Files and bytes that each tenant added in a time: `media.files` and `media.bytes`. */
  async countsBetween(from: Date, to: Date): Promise<readonly { tenant: string; kind: string; amount: number }[]> {
    const rows = await ask(
      this.#database
        .selectFrom('media_files')
        .select((of) => ['tenant', of.fn.countAll<string>().as('files'), of.fn.sum<string>('bytes').as('bytes')])
        .where('created_at', '>=', from)
        .where('created_at', '<', to)
        .groupBy('tenant')
        .orderBy('tenant')
        .execute(),
    );
    return rows.flatMap(({ tenant, files, bytes }) => [
      { tenant, kind: 'media.files', amount: Number(files) },
      { tenant, kind: 'media.bytes', amount: Number(bytes) },
    ]);
  }

  async #row(tenant: string, id: string) {
    if (!ID.test(id)) throw notFound();
    const row = await ask(
      this.#database
        .selectFrom('media_files')
        .select([...COLUMNS, 'object_key', sql<boolean>`last_used_at < ${NOTED}`.as('note')])
        .where('tenant', '=', tenant)
        .where('id', '=', id)
        .executeTakeFirst(),
    );
    if (row === undefined) throw notFound();
    const { note, ...facts } = row;
    if (note) await this.#touch(tenant, id);
    return facts;
  }

  /** The file with these bytes, if it is there and whole; it counts as used now. */
  async #known(tenant: string, { id, bytes }: Measured): Promise<MediaFile | undefined> {
    const row = await this.#touch(tenant, id);
    if (row === undefined || (await this.#storage.bytesOf(row.object_key)) !== bytes) return undefined;
    return toFile(row);
  }

  #touch(tenant: string, id: string) {
    return ask(
      this.#database
        .updateTable('media_files')
        .set({ last_used_at: sql<Date>`now()` })
        .where('tenant', '=', tenant)
        .where('id', '=', id)
        .returning([...COLUMNS, 'object_key'])
        .executeTakeFirst(),
    );
  }

  async #keep(tenant: string, draft: Draft, measured: Measured, options: AddOptions): Promise<MediaFile> {
    const { id, bytes, type } = measured;
    const { origin, width = null, height = null } = options;
    const key = `${tenant}/${randomUUID()}`;
    await draft.keep(key);
    const row = await ask(
      this.#database
        .insertInto('media_files')
        .values({ tenant, id, object_key: key, bytes, type, width, height, origin })
        // Somebody brought the same bytes meanwhile, or the object was lost: its key is an orphan now.
        .onConflict((of) =>
          of.columns(['tenant', 'id']).doUpdateSet({ object_key: key, last_used_at: sql<Date>`now()` }),
        )
        .returning(COLUMNS)
        .executeTakeFirstOrThrow(),
    );
    return toFile(row);
  }
}

interface Row {
  readonly id: string;
  readonly bytes: string;
  readonly type: string;
  readonly width: number | null;
  readonly height: number | null;
  readonly origin: MediaOrigin;
  readonly created_at: Date;
}

function toFile({ id, bytes, type, width, height, origin, created_at }: Row): MediaFile {
  return { id, bytes: Number(bytes), type, width, height, origin, createdAt: created_at };
}

function notFound(): AppError {
  return new AppError('media-not-found', 'There is no file with this id.');
}

async function ask<T>(query: Promise<T>): Promise<T> {
  try {
    return await query;
  } catch (error) {
    throw asStoreError(error);
  }
}
