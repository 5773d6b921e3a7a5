/**
 * Storage in a folder: `files/<tenant>/<two characters>/<uuid>`, and drafts in `uploads/` on the same disk.
 *
 * Promises: folders are 0700 and files 0600; a file gets its name by one rename after its bytes were fsynced, and its
 * folder is fsynced too. Processes on other machines need the same folder (a shared volume) or S3.
 */

import { mkdir, open, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { AppError, hasCode } from '../errors.ts';
import type { Removal } from '../removal.ts';
import { moveInPlace } from '../whole-file.ts';
import { asFolderError, Drafts, namesIn } from './drafts.ts';
import {
  type ByteRange,
  type Draft,
  isStorageKey,
  type Storage,
  type StoredObject,
  type SweepOptions,
} from './storage.ts';

const PAGE = 500;

export class FolderStorage implements Storage {
  readonly #files: string;
  readonly #drafts: Drafts;

  constructor({ folder }: { folder: string }) {
    this.#files = join(folder, 'files');
    this.#drafts = new Drafts({ folder: join(folder, 'uploads') });
  }

  async receive(source: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<Draft> {
    const path = await this.#drafts.write(source, signal);
    return {
      keep: (key) => mending(() => putInPlace(path, this.#path(key))),
      discard: () => this.#drafts.remove(path),
    };
  }

  open(key: string, range?: ByteRange, signal?: AbortSignal): Promise<Readable | undefined> {
    return unlessMissing(async () => {
      const handle = await open(this.#path(key), 'r');
      // The stream closes the handle, whichever way it ends.
      return handle.createReadStream({ ...range, ...(signal && { signal }) });
    });
  }

  bytesOf(key: string): Promise<number | undefined> {
    return unlessMissing(async () => (await stat(this.#path(key))).size);
  }

  async remove(keys: readonly string[], signal?: AbortSignal): Promise<void> {
    for (const key of keys) {
      signal?.throwIfAborted();
      await mending(() => rm(this.#path(key), { force: true }));
    }
  }

  async *pages(signal: AbortSignal): AsyncIterable<readonly StoredObject[]> {
    let page: StoredObject[] = [];
    for (const tenant of await namesIn(this.#files)) {
      for (const part of await namesIn(join(this.#files, tenant))) {
        for (const name of await namesIn(join(this.#files, tenant, part))) {
          signal.throwIfAborted();
          const key = `${tenant}/${name}`;
          const facts = isStorageKey(key) ? await unlessMissing(() => stat(this.#path(key))) : undefined;
          if (facts === undefined) continue;
          page.push({ key, bytes: facts.size, storedAt: facts.mtime });
          if (page.length < PAGE) continue;
          yield page;
          page = [];
        }
      }
    }
    if (page.length > 0) yield page;
  }

  removeDrafts(options: SweepOptions): Promise<Removal> {
    return this.#drafts.sweep(options);
  }

  #path(key: string): string {
    if (!isStorageKey(key)) throw new AppError('internal', `"${key}" is no key of a stored file.`);
    const [tenant = '', name = ''] = key.split('/');
    return join(this.#files, tenant, name.slice(0, 2), name);
  }
}

async function putInPlace(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  await moveInPlace(from, to);
}

async function mending<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asFolderError(error);
  }
}

async function unlessMissing<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw asFolderError(error);
  }
}
