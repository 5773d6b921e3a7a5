/** Journals in folders of their own, for tests. */

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import type { JournalEntry } from '../../src/journal/entry.ts';
import { Journal, type JournalOptions } from '../../src/journal/journal.ts';
import type { NumberedEntry } from '../../src/journal/segment.ts';
import { Deadline } from '../../src/lifecycle.ts';

/** A folder that is gone after the test. */
export async function journalFolder(): Promise<string> {
  const parent = await mkdtemp(join(tmpdir(), 'millrace-test-journal-'));
  onTestFinished(() => rm(parent, { recursive: true, force: true }));
  const folder = join(parent, 'journal');
  await mkdir(folder);
  return folder;
}

/** An entry whose every field depends on `n`. */
export function entry(n: number, more: Partial<JournalEntry> = {}): JournalEntry {
  return {
    id: `media_${n.toString(16).padStart(32, '0')}`,
    queue: 'media',
    name: 'media.resize-image',
    tenant: n % 2 === 0 ? 'default' : 'acme',
    data: JSON.stringify({ n, text: `Grüße ${n} 雪 \u{1f600}` }),
    requestedAt: 1_700_000_000_000 + n,
    runAt: n % 3 === 0 ? 0 : 1_800_000_000_000 + n,
    priority: n % 101,
    attempts: 1 + (n % 25),
    keyed: n % 5 === 0,
    ...more,
  };
}

/** Open the journal in a folder; closed after the test. */
export async function openJournal(folder: string, options: Partial<JournalOptions> = {}): Promise<Journal> {
  const journal = await Journal.open({
    folder,
    mostBytes: 1_000_000_000,
    stillOurs: async () => {},
    logger: pino({ level: 'silent' }),
    ...options,
  });
  onTestFinished(() => journal.stop(Deadline.in(5000)));
  return journal;
}

/** Add entries as one group, and wait until they are on disk; returns their numbers. */
export async function write(journal: Journal, entries: readonly JournalEntry[]): Promise<number[]> {
  const added = entries.map((each) => journal.add(each));
  await Promise.all(added.map(({ group }) => group.synced));
  return added.map(({ number }) => number);
}

/** Everything that can be read, in order. */
export async function readAll(journal: Journal, from = 0): Promise<NumberedEntry[]> {
  const all: NumberedEntry[] = [];
  for (let at = from; at < journal.end; ) {
    const { entries, next } = await journal.read(at);
    all.push(...entries);
    at = next;
  }
  return all;
}
