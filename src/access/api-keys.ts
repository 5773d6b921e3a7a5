/**
 * API keys: who is asking. A key names a tenant and says whether its holder is an operator.
 *
 * Promises: a key is shown once and only its SHA-256 is stored; a revoked key is refused within 60 s while PostgreSQL
 * answers. While PostgreSQL is away, a key that was verified in the last 15 min goes on working without a wait, and any
 * other is `store-unavailable` within 2 s. Keys that nobody issued cost at most one query per 5 s each.
 */

import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { asStoreError, type Database, isDatabaseAway } from '../database/connection.ts';
import { AppError, isAppError, type Problem } from '../errors.ts';
import { within } from '../lifecycle.ts';
import { DEFAULT_TENANT } from '../resources.ts';

/** Whom a key stands for. */
export interface ApiKeyHolder {
  readonly id: string;
  readonly tenant: string;
  /** May see and do what concerns all tenants. */
  readonly operator: boolean;
}

/** A key as it is listed; the key itself is not known any more. */
export interface ApiKeyRecord extends ApiKeyHolder {
  readonly label: string;
  readonly createdAt: Date;
  readonly revokedAt: Date | null;
}

export interface ApiKeyRequest {
  /** 1–64 characters of a–z, 0–9 and `-`. */
  readonly tenant: string;
  /** What it is for, in 1–100 characters. */
  readonly label: string;
  /** Default: no. */
  readonly operator?: boolean;
}

export interface ApiKeysOptions {
  readonly database: Database;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
}

/** What is remembered of a key: its holder, or that nobody holds it; and when PostgreSQL said so. */
interface Verdict {
  readonly holder: ApiKeyHolder | null;
  readonly atMs: number;
}

const FRESH_MS = 60_000;
const FRESH_WHILE_AWAY_MS = 15 * 60_000;
const UNKNOWN_FRESH_MS = 5000;
/** After a failed question nobody waits for another one for this long. */
const LEAVE_ALONE_MS = 1000;
const ANSWER_MS = 1500;
const MOST_REMEMBERED = 10_000;
const MOST_UNKNOWN = 1000;

const KEY = /^mr_([0-9a-f]{12})_[A-Za-z0-9_-]{43}$/;
const TENANT = /^[a-z0-9-]{1,64}$/;
const LABEL = /^[^\p{Cc}\p{Cs}]{1,100}$/u;

export class ApiKeys {
  readonly #database: Database;
  readonly #clock: () => number;
  /** By the SHA-256 of the key: a memory dump shows no keys. Oldest first. */
  readonly #holders = new Map<string, Verdict>();
  readonly #unknown = new Map<string, Verdict>();
  readonly #asking = new Map<string, Promise<ApiKeyHolder | null>>();
  #leaveAloneUntilMs = 0;

  constructor({ database, clock = Date.now }: ApiKeysOptions) {
    this.#database = database;
    this.#clock = clock;
  }

  /** Make a key: `mr_<id>_<32 random bytes>`. Throws `invalid-input` or `store-unavailable`. */
  async create({ tenant, label, operator = false }: ApiKeyRequest): Promise<{ id: string; key: string }> {
    refuseWrong(tenant, label);
    const id = randomBytes(6).toString('hex');
    const key = `mr_${id}_${randomBytes(32).toString('base64url')}`;
    await ask(
      this.#database
        .insertInto('api_keys')
        .values({ id, tenant, label, hash: sha256(key), operator })
        .execute(),
    );
    return { id, key };
  }

  /** The holder of a key; null when the key was never issued or is revoked. Throws `store-unavailable`. */
  async verify(key: string): Promise<ApiKeyHolder | null> {
    const id = KEY.exec(key)?.[1];
    if (id === undefined) return null;
    const hash = sha256(key);
    const known = this.#holders.get(hash);
    const ageMs = known === undefined ? Number.POSITIVE_INFINITY : this.#clock() - known.atMs;
    if (known !== undefined && ageMs < FRESH_MS) return known.holder;
    const unknown = this.#unknown.get(hash);
    if (unknown !== undefined && this.#clock() - unknown.atMs < UNKNOWN_FRESH_MS) return null;
    try {
      return await this.#ask(id, hash);
    } catch (error) {
      if (!isAppError(error, 'store-unavailable')) throw error;
      if (known !== undefined && ageMs < FRESH_WHILE_AWAY_MS) return known.holder;
      throw error;
    }
  }

  /** Every key, oldest first, revoked ones included. Throws `store-unavailable`. */
  async list(): Promise<ApiKeyRecord[]> {
    const rows = await ask(
      this.#database
        .selectFrom('api_keys')
        .select(['id', 'tenant', 'label', 'operator', 'created_at', 'revoked_at'])
        .orderBy('created_at')
        .orderBy('id')
        .execute(),
    );
    return rows.map(({ created_at, revoked_at, ...row }) => ({ ...row, createdAt: created_at, revokedAt: revoked_at }));
  }

  /** Every tenant there is, sorted: the default one and each that was ever given a key. Throws `store-unavailable`. */
  async tenants(): Promise<string[]> {
    const rows = await ask(this.#database.selectFrom('api_keys').select('tenant').distinct().execute());
    return [...new Set([DEFAULT_TENANT, ...rows.map(({ tenant }) => tenant)])].sort();
  }

  /** Revoke a key. False when there is none with this id, or it is revoked already. Throws `store-unavailable`. */
  async revoke(id: string): Promise<boolean> {
    const revoked = await ask(
      this.#database
        .updateTable('api_keys')
        .set({ revoked_at: new Date(this.#clock()) })
        .where('id', '=', id)
        .where('revoked_at', 'is', null)
        .returning('hash')
        .executeTakeFirst(),
    );
    if (revoked === undefined) return false;
    this.#holders.delete(revoked.hash);
    return true;
  }

  /** Ask PostgreSQL, once for all who want to know at the same time, and remember the answer. */
  #ask(id: string, hash: string): Promise<ApiKeyHolder | null> {
    const asking = this.#asking.get(hash) ?? this.#read(id, hash).finally(() => this.#asking.delete(hash));
    this.#asking.set(hash, asking);
    return asking;
  }

  async #read(id: string, hash: string): Promise<ApiKeyHolder | null> {
    if (this.#clock() < this.#leaveAloneUntilMs) throw away();
    const atMs = this.#clock();
    const query = this.#database
      .selectFrom('api_keys')
      .select(['tenant', 'operator', 'hash'])
      .where('id', '=', id)
      .where('revoked_at', 'is', null)
      .executeTakeFirst();
    try {
      const row = await within(ANSWER_MS, query, () => away());
      const holder = row === undefined || !sameHash(row.hash, hash) ? null : { id, ...pick(row) };
      this.#remember(hash, { holder, atMs });
      return holder;
    } catch (error) {
      if (isDatabaseAway(error) || isAppError(error)) this.#leaveAloneUntilMs = this.#clock() + LEAVE_ALONE_MS;
      throw asStoreError(error);
    }
  }

  #remember(hash: string, verdict: Verdict): void {
    const [into, most] = verdict.holder === null ? [this.#unknown, MOST_UNKNOWN] : [this.#holders, MOST_REMEMBERED];
    this.#holders.delete(hash);
    this.#unknown.delete(hash);
    into.set(hash, verdict);
    for (const oldest of into.keys()) {
      if (into.size <= most) break;
      into.delete(oldest);
    }
  }
}

function pick({ tenant, operator }: { tenant: string; operator: boolean }) {
  return { tenant, operator };
}

function refuseWrong(tenant: string, label: string): void {
  const problems: Problem[] = [];
  if (!TENANT.test(tenant)) problems.push({ pointer: '/tenant', message: 'must be 1–64 characters of a–z, 0–9 and -' });
  if (!LABEL.test(label)) problems.push({ pointer: '/label', message: 'must be 1–100 printable characters' });
  if (problems.length === 0) return;
  const said = problems.map(({ pointer, message }) => `${pointer.slice(1)} ${message}`).join('; ');
  throw new AppError('invalid-input', `The key cannot be made: ${said}.`, { problems });
}

function away(): AppError {
  return new AppError('store-unavailable', 'PostgreSQL does not answer, so this key cannot be checked.', {
    retryAfterSeconds: 2,
  });
}

async function ask<T>(query: Promise<T>): Promise<T> {
  try {
    return await query;
  } catch (error) {
    throw asStoreError(error);
  }
}

function sha256(text: string): string {
  return hash('sha256', text);
}

function sameHash(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}
