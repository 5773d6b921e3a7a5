/** Everything that Redis has under a prefix, for two queues that should hold the same. */

import type { ScriptedRedis } from '../../src/redis/connections.ts';

/** Everything under a prefix, bytes as Latin-1: type, encoding, remaining life and value of each key. */
export async function contents(redis: ScriptedRedis, prefix: string): Promise<Record<string, unknown>> {
  const all: Record<string, unknown> = {};
  for (const key of await keysOf(redis, prefix)) {
    const [type, encoding, ttl] = [await redis.type(key), await redis.object('ENCODING', key), await redis.pttl(key)];
    const name = key.toString('latin1').slice(prefix.length);
    // A key that lives for a while: that it does is compared, for time has passed between the two looks.
    all[name] = { type, encoding, lives: ttl > 0 ? 'a while' : ttl, value: await read(redis, key, type) };
  }
  return all;
}

/** Make what is under `to` an exact copy of what is under `from`, lives and stream ids included. */
export async function copyPrefix(redis: ScriptedRedis, from: string, to: string): Promise<void> {
  const old = await keysOf(redis, to);
  if (old.length > 0) await redis.del(...old);
  for (const key of await keysOf(redis, from)) {
    await redis.copy(key, Buffer.from(to + key.toString('latin1').slice(from.length), 'latin1'));
  }
}

async function keysOf(redis: ScriptedRedis, prefix: string): Promise<Buffer[]> {
  return (await redis.keysBuffer('*')).filter((key) => key.toString('latin1').startsWith(`${prefix}:`));
}

async function read(redis: ScriptedRedis, key: Buffer, type: string): Promise<unknown> {
  const texts = (buffers: readonly Buffer[]) => buffers.map((buffer) => buffer.toString('latin1'));
  if (type === 'string') return (await redis.getBuffer(key))?.toString('latin1');
  if (type === 'list') return texts(await redis.lrangeBuffer(key, 0, -1));
  if (type === 'set') return texts(await redis.smembersBuffer(key)).sort();
  if (type === 'zset') return texts(await redis.zrangeBuffer(key, 0, '-1', 'WITHSCORES'));
  if (type === 'hash') {
    const fields = Object.entries(await redis.hgetallBuffer(key));
    return Object.fromEntries(fields.map(([field, value]) => [field, value.toString('latin1')]));
  }
  // The ids of the events are Redis's clock.
  if (type === 'stream') return (await redis.xrangeBuffer(key, '-', '+')).map(([, fields]) => texts(fields));
  throw new Error(`Nobody expects a ${type}.`);
}
