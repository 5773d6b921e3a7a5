/**
 * What a worker and the child process of an isolated job say to each other: one JSON object a line, each way a union.
 *
 * Promises: nothing that crossed a process is trusted, so both sides parse what they hear; an error crosses as what
 * `outcomeOf` asks of it, and is judged as if it had been thrown here. No message is longer than `MOST_BYTES`.
 */

import { z } from 'zod';
import { AppError, ERRORS, type ErrorCode, messageOf, Snooze } from '../../src/errors.ts';
import { envelopeSchema } from '../../src/queue/envelope.ts';

/** Bytes of one line: a result, a payload or a progress value with what belongs to it. */
export const MOST_BYTES = 1_000_000;
/** Characters of an error's message that cross. */
const MOST_TEXT = 10_000;

const isCode = (value: unknown): value is ErrorCode => typeof value === 'string' && Object.hasOwn(ERRORS, value);

const carriedError = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('app'),
    code: z.custom<ErrorCode>(isCode),
    message: z.string().max(MOST_TEXT),
    retryAfterSeconds: z.number().min(0).optional(),
  }),
  z.object({ type: z.literal('snooze'), delayMs: z.number().min(0), message: z.string().max(MOST_TEXT) }),
  z.object({ type: z.literal('other'), message: z.string().max(MOST_TEXT) }),
]);

/** An error on its way between two processes. */
export type CarriedError = z.output<typeof carriedError>;

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
const progressValue = z.union([z.number(), z.custom<object>(isObject)]);

/** What the worker says. */
export const orderSchema = z.discriminatedUnion('kind', [
  /** Run this job. Said once, after `ready`. */
  z.object({
    kind: z.literal('run'),
    job: z.object({ id: z.string(), name: z.string(), failedAttempts: z.int().min(0), lastAttempt: z.boolean() }),
    envelope: envelopeSchema,
    requestedAt: z.number(),
  }),
  /** The attempt has ended: stop, there is a second for it. */
  z.object({ kind: z.literal('abort'), error: carriedError }),
  /** The progress was reported, or could not be. */
  z.object({ kind: z.literal('reported'), error: carriedError.optional() }),
]);

/** What the child says. */
export const replySchema = z.discriminatedUnion('kind', [
  /** Everything is loaded and connected. */
  z.object({ kind: z.literal('ready') }),
  /** Said again only after it was answered with `reported`. */
  z.object({ kind: z.literal('progress'), value: progressValue }),
  /** Without a result when the handler returned nothing. */
  z.object({ kind: z.literal('done'), result: z.unknown().optional() }),
  z.object({ kind: z.literal('failed'), error: carriedError }),
]);

export type Order = z.output<typeof orderSchema>;
export type Reply = z.output<typeof replySchema>;

/** Make an error ready to cross. Takes anything that can be thrown. */
export function carry(error: unknown): CarriedError {
  const message = textOf(error).slice(0, MOST_TEXT);
  if (error instanceof Snooze) return { type: 'snooze', delayMs: atLeastZero(error.delayMs), message };
  if (!(error instanceof AppError)) return { type: 'other', message };
  const { code, retryAfterSeconds } = error;
  return {
    type: 'app',
    code,
    message,
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds: atLeastZero(retryAfterSeconds) }),
  };
}

/** JSON has no other numbers than finite ones, and time does not run backwards. */
function atLeastZero(value: number): number {
  return Number.isFinite(value) ? Math.max(0, value) : 0;
}

/** The error again, on the other side. */
export function carried(error: CarriedError): Error {
  switch (error.type) {
    case 'snooze':
      return new Snooze(error.delayMs, error.message);
    case 'other':
      return new Error(error.message);
    case 'app': {
      const { retryAfterSeconds } = error;
      return new AppError(error.code, error.message, retryAfterSeconds === undefined ? {} : { retryAfterSeconds });
    }
  }
}

/** Some of what can be thrown has no text at all. */
function textOf(error: unknown): string {
  try {
    return String(messageOf(error));
  } catch {
    return 'What was thrown has no text.';
  }
}
