/**
 * Characters: who a user talks to, and what a model is told of it.
 *
 * Promises: a character that nobody has defined answers as the default one; once a change has been answered no reply is
 * begun with the old prompt. With the cache away prompts are read from PostgreSQL; while PostgreSQL is away what is not
 * cached is `store-unavailable`.
 */

import { sql } from 'kysely';
import type { Cache } from '../cache.ts';
import { asStoreError, type Database } from '../database/connection.ts';
import { character as characterResource } from '../resources.ts';
import { type Character, defaultCharacter } from './prompt.ts';

export interface CharactersOptions {
  readonly database: Database;
  readonly cache: Cache;
}

export class Characters {
  readonly #database: Database;
  readonly #cache: Cache;

  constructor({ database, cache }: CharactersOptions) {
    this.#database = database;
    this.#cache = cache;
  }

  /** A character as it is defined, or the default one. */
  async get(tenant: string, id: string): Promise<Character> {
    const load = async () => (await this.#load(tenant, id)) ?? defaultCharacter(id);
    return (await this.#cache.remember('characterPrompt', { tenant, id }, load)).value;
  }

  /** Define a character, whole. Returns when no process uses the old prompt any more. */
  async put(tenant: string, { id, name, prompt }: Character): Promise<Character> {
    try {
      await this.#database
        .insertInto('characters')
        .values({ tenant, id, name, prompt })
        .onConflict((conflict) =>
          conflict.columns(['tenant', 'id']).doUpdateSet({ name, prompt, updated_at: sql<Date>`now()` }),
        )
        .execute();
    } catch (error) {
      throw asStoreError(error);
    }
    await this.#cache.invalidate([characterResource(tenant, id)]);
    return { id, name, prompt };
  }

  async #load(tenant: string, id: string): Promise<Character | undefined> {
    try {
      return await this.#database
        .selectFrom('characters')
        .select(['id', 'name', 'prompt'])
        .where('tenant', '=', tenant)
        .where('id', '=', id)
        .executeTakeFirst();
    } catch (error) {
      throw asStoreError(error);
    }
  }
}
