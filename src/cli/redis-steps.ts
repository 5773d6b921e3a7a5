/**
 * Commands to Redis shown one by one, each with its answer and whether it is the right one.
 *
 * Promises: they run as one transaction that also removes what they wrote, so that no key is left, also after a crash,
 * and two runs at the same time do not meet.
 */

import { AppError, messageOf } from '../errors.ts';
import type { Redis } from '../redis/connections.ts';
import type { Terminal } from './terminal.ts';

/** One command and what it should answer. */
export interface RedisStep {
  /** How it is shown. */
  readonly shown: string;
  readonly command: readonly [name: string, ...args: (string | number)[]];
  readonly right: (answer: unknown) => boolean;
}

const WIDTH = 38;

/** Run the steps and print each. Throws at the first wrong answer, after all are printed. */
export async function runRedisSteps(redis: Redis, steps: readonly RedisStep[], { print }: Terminal): Promise<void> {
  const answers = await answersOf(redis, steps);
  const wrong = steps.filter(({ shown, right }, index) => {
    const [error, answer] = answers[index] ?? [new Error('no answer'), undefined];
    const isRight = error === null && right(answer);
    print(`${isRight ? 'ok  ' : 'FAIL'}  ${shown.padEnd(WIDTH)}${error === null ? String(answer) : error.message}`);
    return !isRight;
  });
  const [first] = wrong;
  if (first !== undefined)
    throw new AppError('store-unavailable', `Redis did not answer "${first.shown}" as it should.`);
}

async function answersOf(redis: Redis, steps: readonly RedisStep[]) {
  try {
    return (await redis.multi(steps.map(({ command }) => [...command])).exec()) ?? [];
  } catch (cause) {
    // A server that refuses one command (full, a replica) discards them all; ioredis keeps what it said to each.
    const earlier: unknown[] = cause instanceof Error && 'previousErrors' in cause ? [cause.previousErrors].flat() : [];
    throw new AppError('store-unavailable', `Redis refuses the commands: ${messageOf(earlier[0] ?? cause)}`, { cause });
  }
}

/** Is it exactly this? */
export function equals(wanted: unknown): (answer: unknown) => boolean {
  return (answer) => answer === wanted;
}
