/**
 * A BullMQ queue seen from outside: hold it, count it, fill it fast.
 *
 * Filling copies a job that was really added, whatever fields its version writes, under new ids: 100 times faster than
 * adding, and the same to everybody who looks.
 */

import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { Deadline, pause } from '../../../src/lifecycle.ts';

/** Where a job waits. */
export type Line = 'wait' | 'prioritized' | 'delayed';

const DRAIN_MS = 120_000;
/** Copies in one script call: about 10 ms of Redis. */
const COPIES = 1000;

/** Copy a job's hash `ARGV[2]` times, and put the copies at the end of the line. KEYS: queue base, template's key. */
const COPY = `
local base, template = KEYS[1], KEYS[2]
local line, count, ids, first = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local fields = redis.call('HGETALL', template)
local score = tonumber(ARGV[5])
for n = first, first + count - 1 do
  local id = ids == '' and tostring(redis.call('INCR', base .. 'id')) or string.format(ids, n)
  redis.call('HSET', base .. id, unpack(fields))
  if line == 'wait' then redis.call('LPUSH', base .. 'wait', id)
  elseif line == 'prioritized' then redis.call('ZADD', base .. 'prioritized', score * 0x100000000 + redis.call('INCR', base .. 'pc'), id)
  else redis.call('ZADD', base .. 'delayed', (score + n) * 0x1000, id) end
end
return count`;

export class QueueView {
  readonly redis: Redis;
  readonly #base: string;
  /** `string.format` of the ids to give; empty: BullMQ's own numbers. */
  readonly #ids: string;
  readonly #template: string;
  #copied = 0;

  /** `base`: the queue's key prefix with the queue's name and the last colon. */
  constructor(url: string, base: string, idPrefix: string | undefined) {
    this.redis = new Redis(url, { maxRetriesPerRequest: 1 });
    this.#base = base;
    this.#template = `${base}bench-template`;
    this.#ids = idPrefix === undefined ? '' : `${idPrefix}${randomBytes(10).toString('hex')}%012x`;
  }

  close(): void {
    this.redis.disconnect();
  }

  /** Let workers take nothing, as `Queue.pause` does. */
  async hold(): Promise<void> {
    await this.redis.multi().hset(`${this.#base}meta`, 'paused', 1).del(`${this.#base}marker`).exec();
  }

  /** Let workers begin. */
  async release(): Promise<void> {
    await this.redis.multi().hdel(`${this.#base}meta`, 'paused').zadd(`${this.#base}marker`, 0, '0').exec();
  }

  async completed(): Promise<number> {
    return this.redis.zcard(`${this.#base}completed`);
  }

  /** Jobs in a line. */
  length(line: Line | 'active'): Promise<number> {
    const key = `${this.#base}${line}`;
    return line === 'wait' || line === 'active' ? this.redis.llen(key) : this.redis.zcard(key);
  }

  /** Jobs that have not ended. */
  async open(): Promise<number> {
    const lines = ['wait', 'active', 'prioritized', 'delayed'] as const;
    const counts = await Promise.all(lines.map((line) => this.length(line)));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Wait until so many are completed in all; looks every few milliseconds. */
  async untilCompleted(count: number, ms = DRAIN_MS): Promise<void> {
    await this.#until(async () => (await this.completed()) >= count, `${count} jobs are completed`, ms);
  }

  async untilEmpty(ms = DRAIN_MS): Promise<void> {
    await this.#until(async () => (await this.open()) === 0, 'no job is left', ms);
  }

  /** Keep a copy of the newest job that waits here, for `fill`. Throws when none waits. */
  async keepTemplate(line: Line): Promise<void> {
    const [id] =
      line === 'wait'
        ? await this.redis.lrange(`${this.#base}wait`, 0, 0)
        : await this.redis.zrange(`${this.#base}${line}`, '-1', '-1');
    if (id === undefined) throw new Error(`No job waits in ${this.#base}${line}.`);
    await this.redis.copy(`${this.#base}${id}`, this.#template, 'REPLACE');
  }

  /** Put copies of the kept job into a line. `score`: the priority, or the milliseconds since 1970 when they are due. */
  async fill(line: Line, count: number, score = 0): Promise<void> {
    for (let left = count; left > 0; left -= COPIES) {
      const now = Math.min(left, COPIES);
      await this.redis.eval(
        COPY,
        2,
        this.#base,
        this.#template,
        line,
        `${now}`,
        this.#ids,
        `${this.#copied}`,
        `${score}`,
      );
      this.#copied += now;
    }
  }

  async #until(reached: () => Promise<boolean>, what: string, ms: number): Promise<void> {
    const deadline = Deadline.in(ms);
    while (!(await reached())) {
      if (deadline.leftMs === 0) throw new Error(`After ${ms} ms it is not yet so that ${what}.`);
      await pause(3);
    }
  }
}
