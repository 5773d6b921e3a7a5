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

/** KEYS: hash of marks. ARGV: field, the mark that should stand there. Removes that one only; returns 1 when it did. */
const DROP_MARK = `
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])
`;

/** KEYS: stream. Removes it if it is empty and has no groups; returns 1 when it did. */
const DROP_EMPTY_STREAM = `
if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('XLEN', KEYS[1]) > 0 then return 0 end
if #redis.call('XINFO', 'GROUPS', KEYS[1]) > 0 then return 0 end
return redis.call('UNLINK', KEYS[1])
`;

/** The bytes of a key; 0 where the server does not tell. */
const ROOM = `
local function room(key)
  local bytes = redis.pcall('MEMORY', 'USAGE', key, 'SAMPLES', 0)
  return type(bytes) == 'number' and bytes or 0
end
`;

/**
 * KEYS: a queue's set of finished jobs, then the own keys of each job. ARGV: how many keys each has, 1 to remove or 0 to
 * look, then the ids. Returns the bytes of each, -1 for a job that does not stand in the set: that one is left alone.
 */
const REMOVE_FINISHED = `${ROOM}
local each, remove, sizes = tonumber(ARGV[1]), ARGV[2] == '1', {}
for place = 1, #ARGV - 2 do
  local id = ARGV[place + 2]
  sizes[place] = -1
  if redis.call('ZSCORE', KEYS[1], id) then
    local first, last = 2 + (place - 1) * each, 1 + place * each
    sizes[place] = 0
    for key = first, last do sizes[place] = sizes[place] + room(KEYS[key]) end
    if remove then
      redis.call('UNLINK', unpack(KEYS, first, last))
      redis.call('ZREM', KEYS[1], id)
    end
  end
end
return sizes
`;

/**
 * KEYS: sets of a queue, then the jobs. ARGV: how many sets, until when a job must have been quiet, then the ids. Returns
 * the places, from 1, of those that stand in no set. Whether a list has them is not looked at here.
 */
const FIND_HOMELESS = `
local sets, quiet, places = tonumber(ARGV[1]), tonumber(ARGV[2]), {}
for place = 1, #ARGV - 2 do
  local id, key = ARGV[place + 2], KEYS[sets + place]
  local found = false
  for set = 1, sets do
    local score = redis.pcall('ZSCORE', KEYS[set], id)
    if score then found = true break end
  end
  if not found then
    local kind, latest = redis.call('TYPE', key).ok, 0
    if kind == 'hash' then
      for _, time in ipairs(redis.call('HMGET', key, 'timestamp', 'processedOn', 'finishedOn')) do
        latest = math.max(latest, tonumber(time or 0) or 0)
      end
    end
    if (kind == 'hash' or kind == 'none') and latest <= quiet then places[#places + 1] = place end
  end
end
return places
`;

/**
 * KEYS: wait, active, paused; completed, failed, delayed, prioritized, waiting-children; stalled, meta, marker, events; the
 * job, its lock, its other keys. ARGV: the id, 1 to do it or 0 to say it, the time in ms, the longest list to look through.
 * Returns what is done with a job and its bytes. It does what BullMQ does to bring a stalled job back.
 */
const SETTLE_STRAY = `${ROOM}
local call = redis.call
local id, act, now, longest = ARGV[1], ARGV[2] == '1', tonumber(ARGV[3]), tonumber(ARGV[4])
local job = KEYS[13]
if call('EXISTS', KEYS[14]) == 1 or call('SISMEMBER', KEYS[9], id) == 1 then return {'stands', 0} end
for set = 4, 8 do if call('ZSCORE', KEYS[set], id) then return {'stands', 0} end end
for list = 1, 3 do
  if call('LLEN', KEYS[list]) > longest or call('LPOS', KEYS[list], id) then return {'stands', 0} end
end

local fields = call('HMGET', job, 'finishedOn', 'name', 'data', 'opts', 'timestamp', 'delay')
if not fields[1] and fields[2] and fields[3] and fields[4] then
  if not act then return {'requeued', 0} end
  if fields[3]:sub(1, 1) == '{' and fields[3]:sub(1, 16) ~= '{"recheck":true,' then
    call('HSET', job, 'data', '{"recheck":true,' .. fields[3]:sub(2))
  end
  local due = (tonumber(fields[5]) or 0) + (tonumber(fields[6]) or 0)
  if due > now then
    call('ZADD', KEYS[6], due * 0x1000, id)
    call('ZADD', KEYS[11], call('ZRANGE', KEYS[6], 0, 0, 'WITHSCORES')[2] / 0x1000, '1')
  else
    call('RPUSH', KEYS[1], id)
    local settings = call('HMGET', KEYS[10], 'paused', 'concurrency')
    local full = settings[2] and call('LLEN', KEYS[2]) >= tonumber(settings[2])
    if not settings[1] and not full then call('ZADD', KEYS[11], 0, '0') end
    call('XADD', KEYS[12], 'MAXLEN', '~', 10000, '*', 'event', 'waiting', 'jobId', id)
  end
  return {'requeued', 0}
end

local bytes = room(job)
local there = call('EXISTS', job)
for part = 15, #KEYS do
  bytes = bytes + room(KEYS[part])
  there = there + call('EXISTS', KEYS[part])
end
if there == 0 then return {'stands', 0} end
if act then call('UNLINK', job, unpack(KEYS, 15)) end
return {'removed', bytes}
`;

/** ioredis gives each script a second method, named `…Buffer`, which answers with bytes. */
interface Scripts {
  readCountedBuffer(value: string, hits: string, misses: string): Promise<Buffer | null>;
  readWithGenerationBuffer(
    value: string,
    generation: string,
    hits: string,
    misses: string,
    token: string,
    ttl: number,
  ): Promise<[Buffer | null, Buffer]>;
  fillIfUnchanged(
    value: string,
    generation: string,
    stored: string | Buffer,
    ttl: number,
    loadedUnder: string,
  ): Promise<number>;
  /** `count` is the number of keys that follow: one generation and its values. */
  invalidate(count: number, ...keysThenTokenAndTtl: (string | number)[]): Promise<number>;
  serverInfo(key: string): Promise<string>;
  replaceMark(marks: string, field: string, expected: string, mark: string): Promise<[string | null, string]>;
  /** `count` is the number of keys that follow: the set and the jobs' own. */
  removeFinished(count: number, ...keysThenValues: (string | number)[]): Promise<number[]>;
  /** `count` is the number of keys that follow: sets and jobs. */
  findHomeless(count: number, ...keysThenValues: (string | number)[]): Promise<number[]>;
  settleStray(...keysThenValues: (string | number)[]): Promise<['stands' | 'removed' | 'requeued', number]>;
  dropMark(marks: string, field: string, expected: string): Promise<number>;
  dropEmptyStream(stream: string): Promise<number>;
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
  client.defineCommand('removeFinished', { lua: REMOVE_FINISHED });
  client.defineCommand('findHomeless', { lua: FIND_HOMELESS });
  client.defineCommand('settleStray', { numberOfKeys: 19, lua: SETTLE_STRAY });
  client.defineCommand('dropMark', { numberOfKeys: 1, lua: DROP_MARK });
  client.defineCommand('dropEmptyStream', { numberOfKeys: 1, lua: DROP_EMPTY_STREAM });
  client.defineCommand('publishEvent', { numberOfKeys: 1, lua: PUBLISH_EVENT });
  return client as ScriptedRedis;
}
