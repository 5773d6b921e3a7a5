/**
 * Writing profiles: what a run of edits, a feedback or a recalculation changes in the row of one writer.
 *
 * Promises: whoever means to write takes the row's next fence first, together with the state it starts from; a commit
 * whose fence is no longer the newest changes nothing and throws `fence-lost`. The lock saves wasted work, this
 * decides. The profile is a function of the set of its edits: their order does not matter. While PostgreSQL is away
 * every call rejects with `store-unavailable`.
 */

import { sql } from 'kysely';
import { asStoreError, type Database } from '../database/connection.ts';
import type { Transaction } from '../database/schema.ts';
import { AppError } from '../errors.ts';
import { breathe } from '../lifecycle.ts';
import { nearestArchetype } from './archetypes.ts';
import { evolutionScore } from './evolution.ts';
import { detectPatterns, type LearnedEdit } from './patterns.ts';
import { extractDeltas, measureStyle, type StyleDeltas } from './style.ts';
import { addEdit, addFeedback, EMPTY_SUMS, type Sums, summarise } from './sums.ts';

/** An edit that has not been learned yet. */
export interface NewEdit {
  readonly id: string;
  readonly savedAt: Date;
  readonly contentId: string;
  readonly originalText: string;
  readonly editedText: string;
}

/** A rating of a generated text. */
export interface NewFeedback {
  readonly id: string;
  readonly givenAt: Date;
  readonly contentId: string;
  readonly text: string;
  /** 1 (not like me) – 5 (just like me). */
  readonly rating: number;
  readonly comment?: string | undefined;
}

/** What a commit made. */
export interface Learned {
  readonly version: number;
  readonly edits: number;
  readonly patterns: number;
}

/** A computed change that waits for its transaction. */
export interface Draft {
  readonly tenant: string;
  readonly userId: string;
  /** The token of whoever may write. */
  readonly fence: string;
  readonly sums: Sums;
  readonly style: object;
  readonly evolution: object;
  readonly learned: Omit<Learned, 'version'>;
  readonly edits: readonly (NewEdit & { readonly deltas: StyleDeltas })[];
  readonly feedback: NewFeedback | undefined;
}

/** Edits that patterns and evolution look at (the newest by time, then id). */
const RECENT_EDITS = 200;

interface Start {
  readonly fence: string;
  readonly sums: Sums;
}

export class Learning {
  readonly #database: Database;

  constructor({ database }: { database: Database }) {
    this.#database = database;
  }

  /** Compute what these edits make of the writer's profile. Ends early when the signal aborts. */
  async draftEdits(tenant: string, userId: string, edits: readonly NewEdit[], signal: AbortSignal): Promise<Draft> {
    const start = await this.#begin(tenant, userId);
    const withDeltas: Draft['edits'][number][] = [];
    let sums = start.sums;
    for (const edit of edits) {
      // A run of many edits takes seconds: leases are renewed and deadlines fire between them.
      await breathe();
      signal.throwIfAborted();
      const deltas = await extractDeltas(edit.originalText, edit.editedText);
      withDeltas.push({ ...edit, deltas });
      sums = addEdit(sums, deltas, edit.savedAt);
    }
    return this.#draft(tenant, userId, start, sums, withDeltas, undefined);
  }

  /** Compute what a feedback makes of the weights of the writer's features. */
  async draftFeedback(tenant: string, userId: string, feedback: NewFeedback): Promise<Draft> {
    const start = await this.#begin(tenant, userId);
    const sums = addFeedback(start.sums, await measureStyle(feedback.text), feedback.rating, feedback.givenAt);
    return this.#draft(tenant, userId, start, sums, [], feedback);
  }

  /** Compute the summary and the evolution of a writer again, from the sums and edits that are stored. */
  async draftRecalculation(tenant: string, userId: string): Promise<Draft> {
    const start = await this.#begin(tenant, userId);
    return this.#draft(tenant, userId, start, start.sums, [], undefined);
  }

  /** Write a draft. Throws `fence-lost` when somebody took a later fence. */
  async commit(tx: Transaction, runId: string, draft: Draft): Promise<Learned> {
    const { tenant, userId, fence, edits, feedback } = draft;
    const row = await tx
      .updateTable('profiles')
      .set((set) => ({
        version: set('version', '+', 1),
        sums: JSON.stringify(draft.sums),
        style: JSON.stringify(draft.style),
        evolution: JSON.stringify(draft.evolution),
        updated_at: sql<Date>`now()`,
      }))
      .where('tenant', '=', tenant)
      .where('user_id', '=', userId)
      .where('fence', '=', fence)
      .returning('version')
      .executeTakeFirst();
    if (row === undefined) throw new AppError('fence-lost', `Profile ${userId} was taken by a later writer.`);
    if (edits.length > 0)
      await tx
        .insertInto('edits')
        .values(edits.map((edit) => editRow(draft, runId, edit)))
        .execute();
    if (feedback !== undefined) await tx.insertInto('feedback').values(feedbackRow(draft, feedback)).execute();
    return { version: row.version, ...draft.learned };
  }

  /** Ids of writers of a tenant, sorted, after a given one; at most `limit`. */
  async writersAfter(tenant: string, after: string, limit: number): Promise<string[]> {
    const rows = await this.#ask(() =>
      this.#database
        .selectFrom('profiles')
        .select('user_id')
        .where('tenant', '=', tenant)
        .where('user_id', '>', after)
        .where('version', '>', 0)
        .orderBy('user_id')
        .limit(limit)
        .execute(),
    );
    return rows.map((row) => row.user_id);
  }

  /** Take the next fence and the state that belongs to it, in one statement. */
  async #begin(tenant: string, userId: string): Promise<Start> {
    const row = await this.#ask(() =>
      this.#database
        .insertInto('profiles')
        .values({
          tenant,
          user_id: userId,
          version: 0,
          fence: 1,
          sums: null,
          style: null,
          preferences: '{}',
          evolution: null,
        })
        .onConflict((conflict) =>
          conflict.columns(['tenant', 'user_id']).doUpdateSet({ fence: sql<string>`profiles.fence + 1` }),
        )
        .returning(['fence', 'sums'])
        .executeTakeFirstOrThrow(),
    );
    return { fence: row.fence, sums: row.sums === null ? EMPTY_SUMS : (row.sums as Sums) };
  }

  async #draft(
    tenant: string,
    userId: string,
    { fence }: Start,
    sums: Sums,
    edits: Draft['edits'],
    feedback: NewFeedback | undefined,
  ): Promise<Draft> {
    const recent = newest([...(await this.#recent(tenant, userId)), ...edits]);
    const summary = summarise(sums);
    const patterns = detectPatterns(recent);
    return {
      tenant,
      userId,
      fence,
      sums,
      style: { features: summary.features, weights: summary.weights, patterns, archetype: nearestArchetype(summary) },
      evolution: evolutionScore({ summary, edits: recent }),
      learned: { edits: summary.edits, patterns: patterns.length },
      edits,
      feedback,
    };
  }

  async #recent(tenant: string, userId: string): Promise<LearnedEdit[]> {
    const rows = await this.#ask(() =>
      this.#database
        .selectFrom('edits')
        // Frequencies of words and pairs are most of a delta's bytes, and no pattern looks at them.
        .select(['id', 'saved_at', sql<LearnedEdit['deltas']>`deltas - 'words' - 'pairs'`.as('deltas')])
        .where('tenant', '=', tenant)
        .where('user_id', '=', userId)
        .orderBy('saved_at', 'desc')
        .orderBy('id', 'desc')
        .limit(RECENT_EDITS)
        .execute(),
    );
    return rows.map((row) => ({ id: row.id, savedAt: row.saved_at, deltas: row.deltas }));
  }

  async #ask<T>(query: () => Promise<T>): Promise<T> {
    try {
      return await query();
    } catch (error) {
      throw asStoreError(error);
    }
  }
}

/** The newest edits by time, then id; oldest first. */
function newest(edits: readonly LearnedEdit[]): LearnedEdit[] {
  const sorted = [...edits].sort((a, b) => a.savedAt.getTime() - b.savedAt.getTime() || (a.id < b.id ? -1 : 1));
  return sorted.slice(-RECENT_EDITS);
}

function editRow({ tenant, userId }: Draft, runId: string, edit: Draft['edits'][number]) {
  return {
    tenant,
    id: edit.id,
    user_id: userId,
    content_id: edit.contentId,
    original_text: edit.originalText,
    edited_text: edit.editedText,
    saved_at: edit.savedAt,
    deltas: JSON.stringify(edit.deltas),
    learned_by: runId,
  };
}

function feedbackRow({ tenant, userId }: Draft, { id, contentId, rating, comment, givenAt }: NewFeedback) {
  return { tenant, id, user_id: userId, content_id: contentId, rating, comment: comment ?? null, given_at: givenAt };
}
