/**
 * Our Lua scripts as typed methods of a client. Each takes every key through KEYS and every value through ARGV; no
 * script spells a key of its own. ioredis sends EVALSHA and falls back to EVAL by itself.
 */

import type { Cluster, Redis } from 'ioredis';

/** KEYS: value, hits, misses. Returns the value or false, and counts which it was. */
const READ_COUNTED = `
local value = redis.call('GET', KEYS[1])
redis.call('INCR', value and KEYS[2] or KEYS[3])
return value
`;

/**
 * KEYS: value, generation, hits, misses. ARGV: a fresh token, the generation's TTL in s. Returns {value or false,
 * generation} as they were at one moment, and counts which it was. A generation that is gone is begun anew, so that a
 * load that began under the lost one cannot be stored.
 */
const READ_WITH_GENERATION = `
local generation = redis.call('GET', KEYS[2])
if not generation then
  generation = ARGV[1]
  redis.call('SET', KEYS[2], generation, 'EX', ARGV[2])
end
local value = redis.call('GET', KEYS[1])
redis.call('INCR', value and KEYS[3] or KEYS[4])
return {value, generation}
`;

/** KEYS: value, generation. ARGV: value, its TTL in s, the generation it was loaded under. Returns 1 when stored. */
const FILL_IF_UNCHANGED = `
if redis.call('GET', KEYS[2]) ~= ARGV[3] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
`;

/** KEYS: generation, then the values. ARGV: a fresh token, the generation's TTL in s. Returns how many values went. */
const INVALIDATE = `
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
local gone = 0
for i = 2, #KEYS do gone = gone + redis.call('UNLINK', KEYS[i]) end
return gone
`;

/** KEYS: stream. ARGV: channel, most entries to keep, event as JSON. Appends and publishes in one step; returns the id. */
const PUBLISH_EVENT = `
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'event', ARGV[3])
redis.call('PUBLISH', ARGV[1], ARGV[3])
return id
`;

/** INFO of the server that owns a key; what it forbids is empty. */
const INFO = `
local function info(section)
  local text = redis.pcall('INFO', section)
  return type(text) == 'string' and text or ''
end
`;

/** KEYS: any key. Returns INFO of the server that owns it. */
const SERVER_INFO = `${INFO}
return info('server') .. info('replication')
`;

/**
 * KEYS: hash of marks. ARGV: field, the mark that should stand there, the new one. Puts the new one only over that.
 * Returns {what stood there or false, INFO of the server that owns the key; empty where that is forbidden}.
 */
const REPLACE_MARK = `${INFO}
local found = redis.call('HGET', KEYS[1], ARGV[1])
if found == ARGV[2] then redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) end
return {found, info('server') .. info('replication')}
`;

interface Scripts {
  readCounted(value: string, hits: string, misses: string): Promise<string | null>;
  readWithGeneration(
    value: string,
    generation: string,
    hits: string,
    misses: string,
    token: string,
    ttl: number,
  ): Promise<[string | null, string]>;
  fillIfUnchanged(value: string, generation: string, json: string, ttl: number, loadedUnder: string): Promise<number>;
  /** `count` is the number of keys that follow: one generation and its values. */
  invalidate(count: number, ...keysThenTokenAndTtl: (string | number)[]): Promise<number>;
  serverInfo(key: string): Promise<string>;
  replaceMark(marks: string, field: string, expected: string, mark: string): Promise<[string | null, string]>;
  publishEvent(stream: string, channel: string, most: number, event: string): Promise<string>;
}

export type ScriptedRedis = (Redis | Cluster) & Scripts;

/** Give a client our scripts. */
export function defineScripts(client: Redis | Cluster): ScriptedRedis {
  client.defineCommand('readCounted', { numberOfKeys: 3, lua: READ_COUNTED });
  client.defineCommand('readWithGeneration', { numberOfKeys: 4, lua: READ_WITH_GENERATION });
  client.defineCommand('fillIfUnchanged', { numberOfKeys: 2, lua: FILL_IF_UNCHANGED });
  client.defineCommand('invalidate', { lua: INVALIDATE });
  client.defineCommand('serverInfo', { numberOfKeys: 1, lua: SERVER_INFO });
  client.defineCommand('replaceMark', { numberOfKeys: 1, lua: REPLACE_MARK });
  client.defineCommand('publishEvent', { numberOfKeys: 1, lua: PUBLISH_EVENT });
  return client as ScriptedRedis;
}
