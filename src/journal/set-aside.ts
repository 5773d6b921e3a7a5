/**
 * Accepted jobs that their queue would not take: one file each, for a person to look at.
 *
 * Promises: a job is in its file, whole and on disk, before it is dropped from the journal; setting it aside twice is
 * one file. The files belong to no process: they stay where they are.
 */

import { mkdir, open, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { JournalEntry } from './entry.ts';

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

  /** Count what is there. */
  async start(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await this.#recount();
  }

  /** Keep a job and why it did not go. */
  async put(entry: JournalEntry, reason: string): Promise<void> {
    const path = join(this.#folder, `${entry.id}.json`);
    const draft = await open(`${path}.new`, 'w', 0o600);
    try {
      const { data, ...rest } = entry;
      await draft.writeFile(`${JSON.stringify({ reason, ...rest, envelope: JSON.parse(data) }, undefined, 2)}\n`);
      await draft.sync();
    } finally {
      await draft.close();
    }
    await rename(`${path}.new`, path);
    await this.#recount();
  }

  async #recount(): Promise<void> {
    this.#count = (await readdir(this.#folder)).filter((name) => name.endsWith('.json')).length;
  }
}
