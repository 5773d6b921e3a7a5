/**
 * A key that this machine makes for itself and keeps in a file.
 *
 * Promises: it is made once, whole, on disk before it is used, and readable by its owner alone; of several processes that
 * make it at the same time all use the first one's. A file that holds less than a key is never taken for one. While it
 * cannot be read or made: `store-unavailable`, and the next caller tries again.
 */

import { randomBytes } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AppError, hasCode } from '../errors.ts';
import { writeFirst } from '../whole-file.ts';

export interface KeptKeyOptions {
  readonly path: string;
  /** The variable that says where it is. */
  readonly variable: string;
}

const BYTES = 32;
/** Fewer are no key, whoever has written them. */
const LEAST_CHARACTERS = 32;
const RETRY_SECONDS = 10;

export class KeptKey {
  readonly #options: KeptKeyOptions;
  #key: Promise<string> | undefined;

  constructor(options: KeptKeyOptions) {
    this.#options = options;
  }

  /** The key, as text. */
  async read(): Promise<string> {
    const { path, variable } = this.#options;
    this.#key ??= keyIn(path);
    try {
      return await this.#key;
    } catch (error) {
      this.#key = undefined;
      throw new AppError('store-unavailable', `The key that signs links cannot be read or made. Look at ${variable}.`, {
        cause: error,
        retryAfterSeconds: RETRY_SECONDS,
      });
    }
  }
}

async function keyIn(path: string): Promise<string> {
  const found = await readIfThere(path);
  if (found !== undefined) return found;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeFirst(path, randomBytes(BYTES).toString('hex'));
  const kept = await readIfThere(path);
  if (kept === undefined) throw new Error(`${path} is gone`);
  return kept;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    const key = await readFile(path, 'utf8');
    if (key.length < LEAST_CHARACTERS) throw new Error(`${path} holds no key`);
    return key;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
