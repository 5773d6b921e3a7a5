/**
 * Removing what nobody needs: rows unused for long with their objects, drafts of the dead, objects without a row.
 *
 * Promises: batches of at most 500, each ended before the next begins, so that an abort leaves no half; a row goes
 * before its object, so that no row points at nothing. What arrived within a day is left alone: its row may be on its
 * way. A dry run counts and removes nothing.
 */

import { sql } from 'kysely';
import { asStoreError, type Database } from '../database/connection.ts';
import type { Storage, StoredObject } from '../providers/storage.ts';
import { type Removal, type RemovalRun, RemovalTally, removalOf } from '../removal.ts';

const BATCH = 500;
const DAY_MS = 86_400_000;

export interface SweptMedia {
  readonly database: Database;
  readonly storage: Storage;
  /** 0: files are kept for ever. */
  readonly keepDays: number;
}

/** Sweep everything, and say how much it was. */
export async function sweepMedia(swept: SweptMedia, run: RemovalRun): Promise<Removal> {
  const { dryRun, signal } = run;
  const before = new Date(Date.now() - DAY_MS);
  const tally = new RemovalTally(run);
  try {
    await sweepUnused(swept, run, tally);
    await tally.add(await swept.storage.removeDrafts({ before, dryRun, signal }));
    await sweepOrphans(swept, run, tally, before);
    return tally.total;
  } catch (error) {
    throw asStoreError(error);
  }
}

async function sweepUnused({ database, storage, keepDays }: SweptMedia, { dryRun }: RemovalRun, tally: RemovalTally) {
  if (keepDays === 0) return;
  const isUnused = sql<boolean>`last_used_at < now() - make_interval(days => ${keepDays})`;
  if (dryRun) {
    const counted = await database
      .selectFrom('media_files')
      .select((of) => [of.fn.countAll<string>().as('files'), of.fn.sum<string | null>('bytes').as('bytes')])
      .where(isUnused)
      .executeTakeFirstOrThrow();
    return tally.add({ removed: Number(counted.files), bytes: Number(counted.bytes ?? 0) });
  }
  for (let more = true; more && !tally.spent; ) {
    const batch = database.selectFrom('media_files').select('object_key').where(isUnused).limit(BATCH);
    const gone = await database
      .deleteFrom('media_files')
      .where('object_key', 'in', batch)
      // Looked at again under the row's lock: somebody may just have used it.
      .where(isUnused)
      .returning(['object_key', 'bytes'])
      .execute();
    await storage.remove(gone.map(({ object_key }) => object_key));
    await tally.add(removalOf(gone.map(({ bytes }) => Number(bytes))));
    more = gone.length > 0;
  }
}

/** Looks through the whole storage, however long that takes: a run that stopped earlier would never see its end. */
async function sweepOrphans(
  { database, storage }: SweptMedia,
  { dryRun, signal }: RemovalRun,
  tally: RemovalTally,
  before: Date,
): Promise<void> {
  for await (const page of storage.pages(signal)) {
    signal.throwIfAborted();
    const old = page.filter(({ storedAt }) => storedAt < before);
    const orphans = await withoutRow(database, old);
    if (!dryRun) await storage.remove(orphans.map(({ key }) => key));
    await tally.add(removalOf(orphans.map(({ bytes }) => bytes)));
  }
}

async function withoutRow(database: Database, objects: readonly StoredObject[]): Promise<readonly StoredObject[]> {
  if (objects.length === 0) return [];
  const keys = objects.map(({ key }) => key);
  const rows = await database.selectFrom('media_files').select('object_key').where('object_key', 'in', keys).execute();
  const held = new Set(rows.map(({ object_key }) => object_key));
  return objects.filter(({ key }) => !held.has(key));
}
