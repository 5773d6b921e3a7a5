/**
 * Links that open one file for a while, without a key: for browsers, mails and whoever a caller hands one to.
 *
 * Promises: a link says its tenant, file and expiry, signed together, so that none of them can be changed; it works on
 * every process that has the same key. The key is `MEDIA_LINK_KEY`, else one that the first process makes and all
 * processes of the folder read (0600). A new key ends all links.
 */

import { createHmac, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../errors.ts';

/** What a link opens, as it stands in the link. */
export interface LinkParts {
  readonly tenant: string;
  readonly id: string;
  /** Seconds since 1970. */
  readonly expires: number;
  readonly signature: string;
}

export interface MediaLinksOptions {
  /** Unset: made once and kept in `folder`. */
  readonly key: string | undefined;
  readonly folder: string;
  /** How long a link is good. */
  readonly minutes: number;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
}

const KEY_FILE = 'link-key';

export class MediaLinks {
  readonly #given: string | undefined;
  readonly #folder: string;
  readonly #minutes: number;
  readonly #clock: () => number;
  #key: Promise<string> | undefined;

  constructor({ key, folder, minutes, clock = Date.now }: MediaLinksOptions) {
    this.#given = key;
    this.#folder = folder;
    this.#minutes = minutes;
    this.#clock = clock;
  }

  /** A path that opens the file, and until when. Throws `store-unavailable` when the key cannot be kept. */
  async make(tenant: string, id: string): Promise<{ link: string; expiresAt: Date }> {
    const expires = Math.floor(this.#clock() / 1000) + this.#minutes * 60;
    const signature = sign(await this.#secret(), tenant, id, expires);
    const query = `expires=${expires}&signature=${signature}`;
    return { link: `/media/${tenant}/${id}?${query}`, expiresAt: new Date(expires * 1000) };
  }

  /** Seconds for which the link is still good. Throws `link-refused` when it has expired or was not made by us. */
  async check({ tenant, id, expires, signature }: LinkParts): Promise<number> {
    const wanted = Buffer.from(sign(await this.#secret(), tenant, id, expires));
    const given = Buffer.from(signature);
    if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) {
      throw new AppError('link-refused', 'The signature of this link is wrong.');
    }
    const left = expires - Math.floor(this.#clock() / 1000);
    if (left <= 0) throw new AppError('link-refused', 'This link has expired.');
    return left;
  }

  async #secret(): Promise<string> {
    this.#key ??= this.#given === undefined ? keptKey(this.#folder) : Promise.resolve(this.#given);
    try {
      return await this.#key;
    } catch (error) {
      this.#key = undefined;
      throw new AppError('store-unavailable', 'The key that signs links cannot be read. Look at MEDIA_DIR.', {
        cause: error,
        retryAfterSeconds: 10,
      });
    }
  }
}

/** Lengths go in too, so that two different links never sign the same text. */
function sign(key: string, tenant: string, id: string, expires: number): string {
  return createHmac('sha256', key)
    .update(`millrace-media ${tenant.length}:${tenant} ${id} ${expires}`)
    .digest('base64url');
}

/** The key in the folder; whoever comes first makes it, whole or not at all. */
async function keptKey(folder: string): Promise<string> {
  const path = join(folder, KEY_FILE);
  const found = await readKey(path);
  if (found !== undefined) return found;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomUUID()}`;
  try {
    await writeFile(draft, randomBytes(32).toString('hex'), { mode: 0o600, flush: true });
    // Unlike a rename this does not replace what another process has made meanwhile.
    await link(draft, path);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  } finally {
    await rm(draft, { force: true });
  }
  const kept = await readKey(path);
  if (kept === undefined) throw new Error(`${path} is gone`);
  return kept;
}

async function readKey(path: string): Promise<string | undefined> {
  try {
    const key = await readFile(path, 'utf8');
    if (key.length < 32) throw new Error(`${path} holds no key`);
    return key;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
