/**
 * Reading profiles, and the preferences that writers set themselves.
 *
 * Promises: reads are cache-aside, and once a writer's job can be seen as completed no read anywhere is older than its
 * effect; an unknown writer has the empty profile of version 0; preferences win over what was learned. With the cache
 * away reads go to PostgreSQL; while PostgreSQL is away what is not cached rejects with `store-unavailable`.
 */

import { sql } from 'kysely';
import type { Cache, Remembered } from '../cache.ts';
import { asStoreError, type Database } from '../database/connection.ts';
import { profile } from '../resources.ts';
import { ARCHETYPES } from './archetypes.ts';
import type { Evolution } from './evolution.ts';
import { type Match, matchStyle } from './match.ts';
import type { Pattern } from './patterns.ts';
import type { Preferences } from './preferences.ts';
import { type FeatureName, measureStyle } from './style.ts';
import { EMPTY_SUMS, type Summary, type Sums, summarise } from './sums.ts';

/** A feature as the profile tells it; `source` says whether the writer or their edits set the mean. */
interface ProfileFeature {
  readonly mean: number;
  readonly spread: number;
  readonly count: number;
  readonly source: 'learned' | 'preference';
}

/** The answer of `GET /api/profile/style`. */
export interface StyleProfile {
  readonly userId: string;
  readonly version: number;
  /** Edits that were learned. */
  readonly edits: number;
  readonly features: Partial<Record<FeatureName, ProfileFeature>>;
  readonly patterns: readonly Pattern[];
  readonly preferences: Preferences;
  readonly archetype: { readonly id: string; readonly name: string; readonly distance: number } | null;
  /** ISO 8601, UTC; null for an unknown writer. */
  readonly updatedAt: string | null;
}

/** The answer of `GET /api/profile/evolution`. */
export type ProfileEvolution = Evolution & { readonly userId: string; readonly version: number };

interface StoredStyle {
  readonly features: Summary['features'];
  readonly patterns: readonly Pattern[];
  readonly archetype: StyleProfile['archetype'];
}

export interface ProfilesOptions {
  readonly database: Database;
  readonly cache: Cache;
}

export class Profiles {
  readonly #database: Database;
  readonly #cache: Cache;

  constructor({ database, cache }: ProfilesOptions) {
    this.#database = database;
    this.#cache = cache;
  }

  /** A writer's profile, and whether the cache had it. */
  style(tenant: string, userId: string): Promise<Remembered<StyleProfile>> {
    return this.#cache.remember('profile', { tenant, id: userId }, () => this.#loadStyle(tenant, userId));
  }

  /** A writer's evolution score, and whether the cache had it. */
  evolution(tenant: string, userId: string): Promise<Remembered<ProfileEvolution>> {
    return this.#cache.remember('evolution', { tenant, id: userId }, () => this.#loadEvolution(tenant, userId));
  }

  /** The reference styles, and whether the cache had them. */
  archetypes(tenant: string): Promise<Remembered<typeof ARCHETYPES>> {
    return this.#cache.remember('archetypes', { tenant, id: 'list' }, async () => ARCHETYPES);
  }

  /**
   * Set a writer's preferences, whole. Takes the next fence as every writer of the row does, so that a run that began
   * before starts over. Does not return before no process serves the profile as it was.
   */
  async setPreferences(tenant: string, userId: string, preferences: Preferences): Promise<StyleProfile> {
    await this.#ask(() =>
      this.#database
        .insertInto('profiles')
        .values({
          tenant,
          user_id: userId,
          version: 1,
          fence: 1,
          sums: null,
          style: null,
          preferences: JSON.stringify(preferences),
          evolution: null,
        })
        .onConflict((conflict) =>
          conflict.columns(['tenant', 'user_id']).doUpdateSet({
            version: sql<number>`profiles.version + 1`,
            fence: sql<string>`profiles.fence + 1`,
            preferences: JSON.stringify(preferences),
            updated_at: sql<Date>`now()`,
          }),
        )
        .execute(),
    );
    await this.#cache.invalidate([profile(tenant, userId)]);
    return (await this.style(tenant, userId)).value;
  }

  /** How much a text sounds like a writer. A writer who was never learned matches nothing in particular: 0.5. */
  async match(tenant: string, userId: string, text: string): Promise<Match> {
    const row = await this.#row(tenant, userId);
    const sums = row?.sums == null ? EMPTY_SUMS : (row.sums as Sums);
    return matchStyle(
      preferred(summarise(sums), row?.preferences as Preferences | undefined),
      await measureStyle(text),
    );
  }

  async #loadStyle(tenant: string, userId: string): Promise<StyleProfile> {
    const row = await this.#row(tenant, userId);
    const preferences = (row?.preferences ?? {}) as Preferences;
    const style = row?.style as StoredStyle | null | undefined;
    return {
      userId,
      version: row?.version ?? 0,
      edits: row?.sums == null ? 0 : summarise(row.sums as Sums).edits,
      features: profileFeatures(style?.features, preferences),
      patterns: style?.patterns ?? [],
      preferences,
      archetype: style?.archetype ?? null,
      updatedAt: row === undefined || row.version === 0 ? null : row.updated_at.toISOString(),
    };
  }

  async #loadEvolution(tenant: string, userId: string): Promise<ProfileEvolution> {
    const row = await this.#row(tenant, userId);
    const evolution = (row?.evolution ?? { score: 0, settled: 0, effort: 0 }) as Evolution;
    return { userId, version: row?.version ?? 0, ...evolution };
  }

  async #row(tenant: string, userId: string) {
    return this.#ask(() =>
      this.#database
        .selectFrom('profiles')
        .selectAll()
        .where('tenant', '=', tenant)
        .where('user_id', '=', userId)
        .executeTakeFirst(),
    );
  }

  async #ask<T>(query: () => Promise<T>): Promise<T> {
    try {
      return await query();
    } catch (error) {
      throw asStoreError(error);
    }
  }
}

/** The learned features with the wished ones on top. */
function profileFeatures(learned: Summary['features'] | undefined, { features = {} }: Preferences) {
  const merged: Partial<Record<FeatureName, ProfileFeature>> = {};
  for (const [name, feature] of entries(learned ?? {})) merged[name] = { ...feature, source: 'learned' };
  for (const [name, mean] of entries(features)) {
    merged[name] = { spread: 0, count: 0, ...merged[name], mean, source: 'preference' };
  }
  return merged;
}

/** A summary whose means are the wished ones where there are any. */
function preferred(summary: Summary, preferences: Preferences | undefined): Summary {
  const features = { ...summary.features };
  for (const [name, mean] of entries(preferences?.features ?? {})) features[name] = { ...features[name], mean };
  return { ...summary, features };
}

function entries<V>(record: Partial<Record<FeatureName, V>>): [FeatureName, V][] {
  return Object.entries(record) as [FeatureName, V][];
}
