/**
 * One script that completes many jobs of one BullMQ queue and takes the next one for each, exactly as `moveToFinished` of
 * BullMQ 6.7.0 would one after the other.
 *
 * Promises: the same keys, values, scores and events. What is not plain is left untouched and said to be: a job with a
 * parent, children or a deduplication key, one whose lock is another's or gone, one that is not active, and every job of
 * a queue with a rate limit. Where completed jobs have had their time, the first job is left too: BullMQ's own script,
 * called for it, removes them. It knows BullMQ's layout, so it belongs to that one version: `batched-completion.ts` sees
 * to that, and a test compares every key. The keys of jobs are made from the queue's, as BullMQ makes them, for nobody
 * knows beforehand which jobs come next: they are in its cluster slot.
 */

/** A job that has been worked off. */
export interface CompletedJob {
  readonly id: string;
  /** What its lock holds. */
  readonly token: string;
  /** What it returned, as JSON. */
  readonly result: string;
  /** Is another one taken in its place? */
  readonly takeNext: boolean;
}

/** What is the same for all jobs of a consumer. */
export interface CompletionSettings {
  /** BullMQ's prefix and the queue. */
  readonly prefix: string;
  readonly queue: string;
  /** For how long the lock of a job that is taken holds without renewing. */
  readonly lockMs: number;
  /** For how long completed jobs are kept. */
  readonly keepMs: number;
  /** Minutes of which BullMQ's metrics are kept. */
  readonly dataPoints: number;
}

/** What the script says of a job: null when it left it alone; else 0, or [fields of the next job or 0, its id, 0, when]. */
export type CompletionAnswer = null | 0 | [string[] | 0, string | 0, number, number];

/** The keys of a queue, in the order in which KEYS has them. */
const QUEUE_KEYS = [
  'wait',
  'active',
  'prioritized',
  'delayed',
  'completed',
  'stalled',
  'meta',
  'pc',
  'marker',
  'events',
  'metrics:completed',
  'metrics:completed:data',
] as const;

/**
 * KEYS: as QUEUE_KEYS. ARGV: what stands before the id in a job's key; now, the life of a lock and of completed jobs in
 * ms; the data points to keep; then id, token, result and 1 or 0 for the next one of each job. Returns an answer for each.
 * Of delayed jobs that are due a call promotes a thousand, as each call of BullMQ does.
 *
 * What BullMQ does for each job and what shows only as a sum or by its last time (locks, sets, metrics, the marker) is
 * done once. That it is first read what each key holds is no accident: a key that is not what BullMQ made it fails the
 * call before anything is written, and where a number is none, all or that one job is left to BullMQ. A call that failed
 * half way would leave its jobs in no set.
 */
export const COMPLETE_JOBS = `
local call = redis.call
local wait, active, prioritized, delayed, completed = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local stalled, meta, priorities, marker, events = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local metrics, points = KEYS[11], KEYS[12]
local before_id, now, lock_ms, keep_ms, most_points = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local before_jobs, each = 5, 4

local answers = {}
local count = (#ARGV - before_jobs) / each
for job = 1, count do answers[job] = false end

local settings = call('HMGET', meta, 'paused', 'concurrency', 'max', 'opts.maxLenEvents')
local paused, concurrency, most_events = settings[1], tonumber(settings[2]), settings[4]
if settings[3] then return answers end
local due = call('ZRANGEBYSCORE', delayed, 0, (now + 1) * 0x1000 - 1, 'LIMIT', 0, 1000)
local is_old = call('ZRANGEBYSCORE', completed, '-inf', now - keep_ms, 'LIMIT', 0, 1)[1]
for _, set in ipairs({prioritized, marker}) do call('ZCARD', set) end
for _, list in ipairs({wait, active, points}) do call('LLEN', list) end
call('SCARD', stalled)
call('XLEN', events)
local counted = call('HMGET', metrics, 'prevTS', 'prevCount', 'count')

local function is_whole(value) return not value or value:find('^%d+$') end
for _, value in ipairs({settings[2], settings[4], unpack(counted)}) do
  if not is_whole(value) then return answers end
end

local function is_plain(key, token)
  local fields = call('HMGET', key, 'timestamp', 'parentKey', 'parent', 'deid', 'atm')
  if not fields[1] or fields[2] or fields[3] or fields[4] or not is_whole(fields[5]) then return false end
  return call('GET', key .. ':lock') == token
    and call('EXISTS', key .. ':dependencies', key .. ':unsuccessful') == 0
end

local function promote(ids)
  call('ZREM', delayed, unpack(ids))
  for _, id in ipairs(ids) do
    local key = before_id .. id
    local priority = tonumber(call('HGET', key, 'priority')) or 0
    if priority == 0 then
      call('LPUSH', wait, id)
    else
      call('ZADD', prioritized, priority * 0x100000000 + call('INCR', priorities) % 0x100000000, id)
    end
    call('XADD', events, '*', 'event', 'waiting', 'jobId', id, 'prev', 'delayed')
    call('HSET', key, 'delay', 0)
  end
end

local mark = false
local function take(token)
  local held = paused or (concurrency and call('LLEN', active) >= concurrency)
  if #due > 0 then
    -- Forgotten first: should it fail, the next call must not promote the same ones again.
    local ids = due
    due, mark = {}, not held
    promote(ids)
  end
  if held then return {0, 0, 0, 0} end
  local id = call('RPOPLPUSH', wait, active)
  if not id then
    id = call('ZPOPMIN', prioritized)[1]
    if id then call('LPUSH', active, id) else call('DEL', priorities) end
  end
  if not id then
    local next_due = call('ZRANGE', delayed, 0, 0, 'WITHSCORES')[2]
    return next_due and {0, 0, 0, next_due / 0x1000}
  end
  local key = before_id .. id
  call('SET', key .. ':lock', token, 'PX', lock_ms)
  call('XADD', events, '*', 'event', 'active', 'jobId', id, 'prev', 'waiting')
  call('HSET', key, 'processedOn', now)
  call('HINCRBY', key, 'ats', 1)
  mark = true
  return {call('HGETALL', key), id, 0, 0}
end

local function tell_if_drained()
  if call('LLEN', wait) == 0 and call('LLEN', active) == 0 and call('ZCARD', prioritized) == 0 then
    call('XADD', events, '*', 'event', 'drained')
  end
end

local ids, locks, scores = {}, {}, {}
local first = is_old and 2 or 1
for job = first, count do
  local at = before_jobs + (job - 1) * each
  local id, token, result = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local key = before_id .. id
  local well, plain = pcall(is_plain, key, token)
  if well and plain and call('LREM', active, -1, id) == 1 then
    if #ids == 0 then
      if not most_events then
        most_events = 10000
        call('HSET', meta, 'opts.maxLenEvents', most_events)
      end
      call('XTRIM', events, 'MAXLEN', '~', most_events)
    end
    ids[#ids + 1], locks[#locks + 1] = id, key .. ':lock'
    scores[#scores + 1], scores[#scores + 2] = now, id
    call('HINCRBY', key, 'atm', 1)
    call('HSET', key, 'returnvalue', result, 'finishedOn', now)
    call('XADD', events, '*', 'event', 'completed', 'jobId', id, 'returnvalue', result, 'prev', 'active')
    local answer = 0
    if ARGV[at + 4] == '1' then
      -- A next job whose key is not a hash stays active without an owner, and does not stop this one from ending.
      local fine, taken = pcall(take, token)
      answer = fine and taken or 0
    end
    if answer == 0 then tell_if_drained() end
    answers[job] = answer
  end
end
if #ids == 0 then return answers end

call('DEL', unpack(locks))
call('SREM', stalled, unpack(ids))
call('ZADD', completed, unpack(scores))
if mark then call('ZADD', marker, 0, '0') end

local before = call('HINCRBY', metrics, 'count', #ids) - #ids
if not counted[1] then
  call('HSET', metrics, 'prevTS', now, 'prevCount', 0)
  return answers
end
local minutes = math.min(math.floor(now / 60000) - math.floor(counted[1] / 60000), tonumber(most_points))
if minutes > 0 then
  local fresh = {before - counted[2]}
  for minute = 2, minutes do fresh[minute] = 0 end
  call('LPUSH', points, unpack(fresh))
  call('LTRIM', points, 0, most_points - 1)
  call('HSET', metrics, 'prevCount', before, 'prevTS', now)
end
return answers
`;

/** Everything `COMPLETE_JOBS` is called with, beginning with the number of keys. `nowMs` is when the jobs are completed. */
export function completeJobsArguments(
  { prefix, queue, lockMs, keepMs, dataPoints }: CompletionSettings,
  jobs: readonly CompletedJob[],
  nowMs: number,
): (string | number)[] {
  const before = `${prefix}:${queue}:`;
  const all: (string | number)[] = [QUEUE_KEYS.length];
  for (const key of QUEUE_KEYS) all.push(before + key);
  all.push(before, nowMs, lockMs, keepMs, dataPoints);
  for (const { id, token, result, takeNext } of jobs) all.push(id, token, result, takeNext ? 1 : 0);
  return all;
}
