/**
 * The server's key behind links in mails: what signs them, and what they are derived from.
 *
 * Promises: two purposes never share a signature; the key is `MAIL_SECRET`, or on one machine a file that is made once,
 * whole, and readable by its owner alone. In production a missing `MAIL_SECRET` is `not-configured`: processes on other
 * machines would sign with other keys.
 */

import { createHmac, hash, randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../errors.ts';

export interface LinkKeysOptions {
  readonly secret: string | undefined;
  /** Where the file is, when there is no secret. */
  readonly folder: string;
  readonly production: boolean;
}

export class LinkKeys {
  readonly #options: LinkKeysOptions;
  #key: Promise<string> | undefined;

  constructor(options: LinkKeysOptions) {
    this.#options = options;
  }

  /** 32 bytes that only this service can make. Throws `not-configured`. */
  async sign(purpose: 'password-reset' | 'unsubscribe', text: string): Promise<Buffer> {
    this.#key ??= this.#load();
    // What failed is tried again by the next caller.
    this.#key.catch(() => {
      this.#key = undefined;
    });
    return createHmac('sha256', await this.#key)
      .update(`${purpose}\n${text}`)
      .digest();
  }

  async #load(): Promise<string> {
    const { secret, folder, production } = this.#options;
    if (secret !== undefined) return hash('sha256', secret);
    if (production) throw new AppError('not-configured', 'Links in mails need MAIL_SECRET: openssl rand -base64 32.');
    const path = join(folder, 'mail-secret');
    return (await read(path)) ?? (await make(folder, path));
  }
}

async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Of several processes that make it at the same time, all use the first one's. */
async function make(folder: string, path: string): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, randomBytes(32).toString('base64url'), { mode: 0o600 });
  try {
    await link(draft, path);
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw error;
  } finally {
    await rm(draft, { force: true });
  }
  return readFile(path, 'utf8');
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
