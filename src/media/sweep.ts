/**
 * Removing what nobody needs: rows unused for long with their objects, objects without a row, drafts of the dead.
 *
 * Promises: batches of at most 500, each ended before the next begins, so that an abort leaves no half; a row goes
 * before its object, so that no row points at nothing. What arrived within a day is left alone: its row may be on its
 * way. A dry run counts and removes nothing.
 */

import { sql } from 'kysely';
import { asStoreError, type Database } from '../database/connection.ts';
import type { Storage, StoredObject, Swept } from '../providers/storage.ts';

const BATCH = 500;
const DAY_MS = 86_400_000;

export interface SweepMediaOptions {
  readonly database: Database;
  readonly storage: Storage;
  /** 0: files are kept for ever. */
  readonly keepDays: number;
  readonly dryRun: boolean;
  readonly signal: AbortSignal;
}

/** Sweep everything, and say how much it was. */
export async function sweepMedia(options: SweepMediaOptions): Promise<Swept> {
  const { storage, dryRun, signal } = options;
  const before = new Date(Date.now() - DAY_MS);
  try {
    const unused = await sweepUnused(options);
    const orphans = await sweepOrphans(options, before);
    const drafts = await storage.removeDrafts({ before, dryRun, signal });
    return [unused, orphans, drafts].reduce((a, b) => ({ removed: a.removed + b.removed, bytes: a.bytes + b.bytes }));
  } catch (error) {
    throw asStoreError(error);
  }
}

async function sweepUnused({ database, storage, keepDays, dryRun, signal }: SweepMediaOptions): Promise<Swept> {
  if (keepDays === 0) return { removed: 0, bytes: 0 };
  const isUnused = sql<boolean>`last_used_at < now() - make_interval(days => ${keepDays})`;
  if (dryRun) {
    const counted = await database
      .selectFrom('media_files')
      .select((of) => [of.fn.countAll<string>().as('files'), of.fn.sum<string | null>('bytes').as('bytes')])
      .where(isUnused)
      .executeTakeFirstOrThrow();
    return { removed: Number(counted.files), bytes: Number(counted.bytes ?? 0) };
  }
  let removed = 0;
  let bytes = 0;
  for (;;) {
    signal.throwIfAborted();
    const batch = database.selectFrom('media_files').select('object_key').where(isUnused).limit(BATCH);
    const gone = await database
      .deleteFrom('media_files')
      .where('object_key', 'in', batch)
      // Looked at again under the row's lock: somebody may just have used it.
      .where(isUnused)
      .returning(['object_key', 'bytes'])
      .execute();
    await storage.remove(gone.map(({ object_key }) => object_key));
    removed += gone.length;
    bytes += gone.reduce((sum, row) => sum + Number(row.bytes), 0);
    if (gone.length === 0) return { removed, bytes };
  }
}

async function sweepOrphans({ database, storage, dryRun, signal }: SweepMediaOptions, before: Date): Promise<Swept> {
  let removed = 0;
  let bytes = 0;
  for await (const page of storage.pages(signal)) {
    signal.throwIfAborted();
    const orphans = await withoutRow(
      database,
      page.filter(({ storedAt }) => storedAt < before),
    );
    if (!dryRun) await storage.remove(orphans.map(({ key }) => key));
    removed += orphans.length;
    bytes += orphans.reduce((sum, object) => sum + object.bytes, 0);
  }
  return { removed, bytes };
}

async function withoutRow(database: Database, objects: readonly StoredObject[]): Promise<readonly StoredObject[]> {
  if (objects.length === 0) return [];
  const keys = objects.map(({ key }) => key);
  const rows = await database.selectFrom('media_files').select('object_key').where('object_key', 'in', keys).execute();
  const held = new Set(rows.map(({ object_key }) => object_key));
  return objects.filter(({ key }) => !held.has(key));
}
