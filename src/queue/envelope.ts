/**
 * What travels through Redis for one job, and the id it has. Fixed before anything is tried: every retry, relay and
 * replay carries the same. What its job says already is left out, for it would be stored a million times in a backlog.
 */

import { createHash, randomFillSync } from 'node:crypto';
import { z } from 'zod';

/** The data of a BullMQ job. Parsed again by the worker: nothing that slept in a queue is trusted. */
export const envelopeSchema = z.object({
  tenant: z.string(),
  payload: z.unknown(),
  /** No longer written: it is the time of the job itself. Ask `requestedAtOf`, which reads either. */
  requestedAt: z.number().optional(),
  /** Milliseconds since 1970, before which it must not start; absent: at once. */
  runAt: z.number().optional(),
  /** Milliseconds since 1970, after which it must not start; absent: never. */
  expiresAt: z.number().optional(),
  /** What the caller asked for; absent: what the definition says when the attempt begins. */
  timeoutMs: z.number().optional(),
  tags: z.array(z.string()).optional(),
  /** The HTTP request that asked for it, unless the job's id tells: ask `requestIdOf`. */
  requestId: z.string().optional(),
  /** SHA-256 of the request, to tell a repeat from a reuse of its key. */
  bodyHash: z.string().optional(),
  /** Handed over late or replayed: look into the ledger before running it. */
  recheck: z.boolean().optional(),
  /** How often the process of this isolated job has crashed; never more than its failed attempts. */
  crashes: z.int().min(0).optional(),
});

export type Envelope = z.output<typeof envelopeSchema>;

/** Milliseconds since 1970, when a job was accepted: `timestamp` is what BullMQ keeps beside its data. */
export function requestedAtOf({ data, timestamp }: { readonly data: Envelope; readonly timestamp: number }): number {
  return data.requestedAt ?? timestamp;
}

/** What makes two requests one: a definition's `once`, a caller's Idempotency-Key, or a clock or event trigger. */
export type Sameness = { readonly kind: 'once' | 'key'; readonly value: string };

/**
 * The id of a job: `<queue>_` and either the SHA-256 of what makes it the same, or a number that nothing else has: a new
 * one unless given. Never looks like a number itself, never holds a colon (BullMQ refuses both).
 */
export function jobIdFor(
  tenant: string,
  job: string,
  sameness: Sameness | undefined,
  nowMs: number,
  number?: string,
): string {
  const queue = job.slice(0, job.indexOf('.'));
  if (sameness === undefined) return `${queue}_${number ?? freshNumber(nowMs)}`;
  const hash = createHash('sha256');
  for (const part of [tenant, job, sameness.kind, sameness.value]) {
    const bytes = Buffer.from(part);
    hash.update(`${bytes.length}:`).update(bytes);
  }
  return `${queue}_${hash.digest('hex')}`;
}

/** Can the same id be given out again: does it stand for a key or a `once` value? */
export function isRepeatableId(id: string): boolean {
  return id.length - id.indexOf('_') > 64;
}

/**
 * The request that asked for a job, or the job's own number where no request did: with it the lines of the job and of what
 * follows from it are found. Undefined for a job of a clock line, an event or a `once` value.
 */
export function requestIdOf(id: string, { requestId }: Pick<Envelope, 'requestId'>): string | undefined {
  return requestId ?? (isRepeatableId(id) ? undefined : id.slice(id.indexOf('_') + 1));
}

/** A number that nothing else has: a time and 80 random bits as 32 hex digits, so that they sort by time. */
export function freshNumber(nowMs: number): string {
  return nowMs.toString(16).padStart(12, '0') + randomHex();
}

/** Random bits of a number. */
const RANDOM_BYTES = 10;
/** One call for many ids: it costs as much as for one. */
const pool = Buffer.alloc(RANDOM_BYTES * 400);
let used = pool.length;

function randomHex(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += RANDOM_BYTES;
  return pool.toString('hex', used - RANDOM_BYTES, used);
}

/** The queue of a job id, or undefined when it is no id of ours. */
export function queueOfJobId(id: string): string | undefined {
  return /^([a-z][a-z0-9-]{0,62})_(?:[0-9a-f]{32}|[0-9a-f]{64})$/.exec(id)?.[1];
}

/** SHA-256 of a JSON value, the same whatever the order of its keys. */
export function hashOf(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex');
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, each]) => each !== undefined);
    entries.sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([key, each]) => `${JSON.stringify(key)}:${canonical(each)}`).join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
}
