/**
 * The local inbox: a folder of mails, each one `.eml` as it would have gone out and one `.json` with its parts.
 *
 * Promises: a mail is there whole or not at all, whatever kills the process; only its owner can read it; the same mail
 * to the same recipient is there once; beyond `most` the oldest go. What a killed process left goes with the old mails. A folder that is not there is an empty inbox.
 */

import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { hasCode } from '../errors.ts';
import { draftWriter, writeWhole } from '../whole-file.ts';
import type { MailMessage } from './mailer.ts';

const partsSchema = z.object({ subject: z.string(), text: z.string(), html: z.string() });

/** What can be shown of a mail. */
export interface InboxMail extends z.output<typeof partsSchema> {
  /** The whole mail as it would have gone out. */
  readonly raw: Buffer;
}

/** Which mail is meant. */
export type InboxKey = Pick<MailMessage, 'messageId' | 'to'>;

export class Inbox {
  readonly #folder: string;
  readonly #most: number;

  constructor({ folder, most }: { folder: string; most: number }) {
    this.#folder = folder;
    this.#most = most;
  }

  /** Put a mail in, and take the oldest out when there are too many. */
  async put({ messageId, to, subject, text, html }: MailMessage, raw: Buffer): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const name = nameOf({ messageId, to });
    await writeWhole(join(this.#folder, `${name}.json`), JSON.stringify({ subject, text, html }));
    // Last: a mail counts once its .eml is there.
    await writeWhole(join(this.#folder, `${name}.eml`), raw);
    const mails = await this.#mails();
    await this.#remove(mails.slice(0, Math.max(0, mails.length - this.#most)));
  }

  /** A mail, or undefined when it is not there (any more). */
  async get(key: InboxKey): Promise<InboxMail | undefined> {
    const path = join(this.#folder, nameOf(key));
    try {
      const [raw, parts] = await Promise.all([readFile(`${path}.eml`), readFile(`${path}.json`, 'utf8')]);
      return { ...partsSchema.parse(JSON.parse(parts)), raw };
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined;
      throw error;
    }
  }

  /** How many mails are in it. */
  async count(): Promise<number> {
    return (await this.#mails()).length;
  }

  /** Remove at most 500 mails from before `until`. Returns how many there were, and their bytes; a dry run only looks. */
  async removeBefore(until: Date, dryRun: boolean): Promise<{ removed: number; bytes: number }> {
    const old = (await this.#mails()).filter(({ atMs }) => atMs < until.getTime()).slice(0, 500);
    if (!dryRun) {
      await this.#remove(old);
      await this.#removeRemains(until);
    }
    return { removed: old.length, bytes: old.reduce((sum, { bytes }) => sum + bytes, 0) };
  }

  /** Oldest first. */
  async #mails(): Promise<{ name: string; atMs: number; bytes: number }[]> {
    const files = (await this.#files()).filter((file) => file.endsWith('.eml'));
    const found = files.map((file) => this.#look(file.slice(0, -'.eml'.length)));
    const mails = (await Promise.all(found)).flatMap((mail) => mail ?? []);
    return mails.sort((a, b) => a.atMs - b.atMs);
  }

  async #files(): Promise<string[]> {
    try {
      return await readdir(this.#folder);
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return [];
      throw error;
    }
  }

  /** Remove what a process that was killed has left of a mail: drafts, and parts without their mail. */
  async #removeRemains(until: Date): Promise<void> {
    const files = new Set(await this.#files());
    for (const file of files) {
      const isPart = file.endsWith('.json') && !files.has(file.replace(/json$/, 'eml'));
      if (!isPart && draftWriter(file) === undefined) continue;
      const path = join(this.#folder, file);
      const found = await stat(path).catch(() => undefined);
      if (found !== undefined && found.mtime < until) await rm(path, { force: true });
    }
  }

  /** Undefined when another process has just removed it. */
  async #look(name: string): Promise<{ name: string; atMs: number; bytes: number } | undefined> {
    try {
      const { mtimeMs, size } = await stat(join(this.#folder, `${name}.eml`));
      return { name, atMs: mtimeMs, bytes: size };
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined;
      throw error;
    }
  }

  async #remove(mails: readonly { name: string }[]): Promise<void> {
    for (const { name } of mails) {
      await rm(join(this.#folder, `${name}.eml`), { force: true });
      await rm(join(this.#folder, `${name}.json`), { force: true });
    }
  }
}

/** Nothing that a caller chose becomes part of a path. */
function nameOf({ messageId, to }: InboxKey): string {
  return createHash('sha256').update(`${messageId}\n${to}`).digest('hex').slice(0, 40);
}
