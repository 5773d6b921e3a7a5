/**
 * Accepted jobs that their queue would not take: one file each, for a person to look at.
 *
 * Promises: a job is in its file, whole and on disk, before it is dropped from the journal; setting it aside twice is
 * one file. The files belong to no process: they stay where they are until somebody lets them try again, when the next
 * web process that looks takes them into its journal, or drops them.
 */

import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { hasCode } from '../errors.ts';
import { DRAFT_ENDING, writeWhole } from '../whole-file.ts';
import type { JournalEntry } from './entry.ts';

const fileSchema = z.object({
  reason: z.string(),
  id: z.string(),
  queue: z.string(),
  name: z.string(),
  tenant: z.string(),
  requestedAt: z.number(),
  runAt: z.number(),
  priority: z.int(),
  attempts: z.int(),
  keyed: z.boolean(),
  envelope: z.record(z.string(), z.unknown()),
});

/** A job that is set aside, and why. */
export interface JobAside {
  readonly entry: JournalEntry;
  readonly reason: string;
}

/** How a file's name ends: it waits for a person, or a person has let it try again. */
const WAITS = '.json';
const RETURNS = '.retry';
/** A draft this old belongs to a process that was killed: the job it holds is still in its journal. */
const OLD_DRAFT_MS = 86_400_000;

export class SetAside {
  readonly #folder: string;
  #count = 0;

  /** `directory`: JOURNAL_DIR. */
  constructor({ directory }: { directory: string }) {
    this.#folder = join(directory, 'set-aside');
  }

  /** Jobs that are set aside, as last counted. */
  get count(): number {
    return this.#count;
  }

  /** Count what is there, and remove drafts that nobody will finish. */
  async start(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    for (const name of (await readdir(this.#folder)).filter((each) => each.endsWith(DRAFT_ENDING))) {
      await unlessMissing(this.#removeOldDraft(join(this.#folder, name)));
    }
    await this.#recount();
  }

  /** Keep a job and why it did not go. */
  async put(entry: JournalEntry, reason: string): Promise<void> {
    const { data, ...rest } = entry;
    const file = { reason, ...rest, envelope: JSON.parse(data) };
    await writeWhole(this.#path(entry.id, WAITS), `${JSON.stringify(file, undefined, 2)}\n`);
    await this.#recount();
  }

  /** Every job that is set aside. */
  list(): Promise<JobAside[]> {
    return this.#read(WAITS);
  }

  /** Let a job try again; false when no such job is set aside. */
  async retry(id: string): Promise<boolean> {
    return unlessMissing(rename(this.#path(id, WAITS), this.#path(id, RETURNS)));
  }

  /** Give a job up for good; false when no such job is set aside. */
  async drop(id: string): Promise<boolean> {
    return unlessMissing(rm(this.#path(id, WAITS)));
  }

  /** Jobs that may try again. Whoever has them in its journal says so with `tookBack`. */
  async returned(): Promise<JournalEntry[]> {
    return (await this.#read(RETURNS)).map(({ entry }) => entry);
  }

  async tookBack(id: string): Promise<void> {
    await unlessMissing(rm(this.#path(id, RETURNS)));
    await this.#recount();
  }

  async #removeOldDraft(path: string): Promise<void> {
    if (Date.now() - (await stat(path)).mtimeMs > OLD_DRAFT_MS) await rm(path);
  }

  #path(id: string, ending: string): string {
    return join(this.#folder, `${id}${ending}`);
  }

  async #read(ending: string): Promise<JobAside[]> {
    const names = (await readdir(this.#folder)).filter((name) => name.endsWith(ending)).sort();
    const files = await Promise.all(names.map((name) => readFile(join(this.#folder, name), 'utf8')));
    return files.map((text) => {
      const { reason, envelope, ...rest } = fileSchema.parse(JSON.parse(text));
      return { reason, entry: { ...rest, data: JSON.stringify(envelope) } };
    });
  }

  async #recount(): Promise<void> {
    this.#count = (await readdir(this.#folder)).filter((name) => name.endsWith(WAITS)).length;
  }
}

async function unlessMissing(work: Promise<void>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}
