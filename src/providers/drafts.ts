/**
 * Drafts on this machine's disk: bytes of any length that somebody sends, before they have a key.
 *
 * Promises: a draft is durable (fsync) when `write` resolves, and gone when it rejects; only the owner may read it. The
 * disk full or unwritable is `store-unavailable`. What a killed process leaves is found by its age.
 */

import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, hasCode } from '../errors.ts';
import type { Removal } from '../removal.ts';
import type { SweepOptions } from './storage.ts';

/** Codes of the file system that mean "not now", not "wrong". */
const AWAY = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM', 'EIO', 'EMFILE', 'ENFILE', 'ENOTDIR', 'EBUSY']);
const FULL = new Set(['ENOSPC', 'EDQUOT']);

export class Drafts {
  readonly #folder: string;

  constructor({ folder }: { folder: string }) {
    this.#folder = folder;
  }

  /** Write all of `source` into a new file; its path. What `source` throws, this throws. */
  async write(source: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<string> {
    const path = join(this.#folder, randomUUID());
    const handle = await this.#create(path);
    try {
      await writeFile(handle, source, signal && { signal });
      await handle.sync();
      await handle.close();
      return path;
    } catch (error) {
      await handle.close().catch(() => undefined);
      await this.remove(path);
      throw signal?.aborted ? signal.reason : asFolderError(error);
    }
  }

  /** Remove a draft. One that cannot be removed now is left to the sweep. Never rejects. */
  async remove(path: string): Promise<void> {
    await rm(path, { force: true }).catch(() => undefined);
  }

  /** Remove drafts by age. */
  async sweep({ before, dryRun, signal }: SweepOptions): Promise<Removal> {
    let removed = 0;
    let bytes = 0;
    for (const name of await namesIn(this.#folder)) {
      signal.throwIfAborted();
      const path = join(this.#folder, name);
      const facts = await stat(path).catch(() => undefined);
      if (facts === undefined || facts.mtime >= before) continue;
      if (!dryRun) await rm(path, { force: true });
      removed += 1;
      bytes += facts.size;
    }
    return { removed, bytes };
  }

  async #create(path: string): Promise<FileHandle> {
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      return await open(path, 'wx', 0o600);
    } catch (error) {
      throw asFolderError(error);
    }
  }
}

/** Names in a folder, sorted; none when it is not there. */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw asFolderError(error);
  }
}

/** An error of the file system as `store-unavailable`; anything else as it is. */
export function asFolderError(error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error) || !AWAY.has(String(error.code))) return error;
  const why = FULL.has(String(error.code)) ? 'has no room left' : `cannot be used (${String(error.code)})`;
  return new AppError('store-unavailable', `The folder of media files ${why}.`, {
    cause: error,
    retryAfterSeconds: 10,
  });
}
