/**
 * One script that adds many jobs to one BullMQ queue, exactly as `Queue.add` of BullMQ 6.7.0 would one after the other.
 *
 * Promises: the same keys, values, scores and events, whatever stands there already; one job's data is one argument and
 * is stored byte for byte. It knows BullMQ's own layout, so it belongs to that one version: `handover.ts` sees to that,
 * and a test compares every key with what BullMQ writes. It covers the options that `HandoverJob` has: no parents,
 * deduplication, LIFO or automatic ids. Every key it touches is in KEYS and, for one queue, in one cluster slot.
 */

/** A job as it is handed to its queue. */
export interface HandoverJob {
  readonly id: string;
  readonly name: string;
  /** The envelope as JSON. */
  readonly data: string;
  /** Milliseconds since 1970: when it was requested. */
  readonly timestamp: number;
  /** Milliseconds after `timestamp` before which it must not start; 0: at once. */
  readonly delayMs: number;
  /** 0: none. */
  readonly priority: number;
  readonly attempts: number;
}

/** The keys of a queue, in the order in which KEYS has them; the jobs' own follow. */
const QUEUE_KEYS = ['wait', 'prioritized', 'delayed', 'active', 'meta', 'id', 'pc', 'events', 'marker'] as const;

/**
 * The options of a job, as `Job` of BullMQ puts them together, with marks where its own values go. The order of these
 * fields decides the order of the stored JSON.
 */
const PLAIN = { attempts: -1, jobId: -2, timestamp: -3, backoff: { type: 'custom' } } as const;
const DELAY = { delay: -4 } as const;
const PRIORITY = { priority: -5 } as const;

/**
 * KEYS: as QUEUE_KEYS, then one per job. ARGV: the length of what stands before the id in a job's key; the number of
 * shapes; name, attempts, delay, priority and marked options of each shape; data, timestamp and number of its shape for
 * each job. Returns the places of the jobs that were there already, from 1.
 *
 * BullMQ lets Redis's own cjson write the options, in the order of Lua's hash table. So they are written by the same
 * table here, once for all jobs with the same options, and cut at the marks. What BullMQ does for each job and what
 * shows only as a sum or by its last time (counters, list, marker) is done once.
 */
export const ADD_JOBS = `
local call = redis.call
local wait, prioritized, delayed, active = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local meta, counter, priorities, events, marker = KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local before_jobs = 9
local id_start = ARGV[1] + 1

local settings = call('HMGET', meta, 'opts.maxLenEvents', 'paused', 'concurrency')
local most_events, held = settings[1], settings[2]
if not held and settings[3] then held = call('LLEN', active) >= tonumber(settings[3]) end

local templates = {}
local function template_of(options)
  if templates[options] then return templates[options] end
  local json = cjson.encode(cjson.decode(options))
  local parts, places, rest = {}, {}, 1
  for text, mark, after in json:gmatch('([^-]*)(%-%d)()') do
    parts[#parts + 1], parts[#parts + 2] = text, mark
    places[mark] = #parts
    rest = after
  end
  parts[#parts + 1] = json:sub(rest)
  templates[options] = {parts, places['-1'], places['-2'], places['-3'], places['-4'], places['-5']}
  return templates[options]
end

local shapes, at = {}, 3
for shape = 1, tonumber(ARGV[2]) do
  shapes[tostring(shape)] = {ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], template_of(ARGV[at + 4])}
  at = at + 5
end

local count = #KEYS - before_jobs
call('INCRBY', counter, count)
if not most_events then
  most_events = 10000
  call('HSET', meta, 'opts.maxLenEvents', most_events)
end

local function add_delayed(id, timestamp, delay)
  local due = timestamp + delay
  local lowest, highest = due * 0x1000, (due + 1) * 0x1000 - 1
  local score = lowest
  local last = call('ZREVRANGEBYSCORE', delayed, highest, lowest, 'WITHSCORES', 'LIMIT', 0, 1)[2]
  if last then score = math.min(last + 1, highest) end
  call('ZADD', delayed, score, id)
  call('XADD', events, 'MAXLEN', '~', most_events, '*', 'event', 'delayed', 'jobId', id, 'delay', due)
end

local known, plain, ranked, any_delayed = {}, {}, {}, false
for job = 1, count do
  local key = KEYS[before_jobs + job]
  local id = key:sub(id_start)
  if call('EXISTS', key) == 1 then
    call('XADD', events, 'MAXLEN', '~', most_events, '*', 'event', 'duplicated', 'jobId', id)
    known[#known + 1] = job
  else
    local timestamp, shape = ARGV[at + 1], shapes[ARGV[at + 2]]
    local name, delay, priority, template = shape[1], shape[3], shape[4], shape[5]
    local options = template[1]
    options[template[2]], options[template[3]], options[template[4]] = shape[2], cjson.encode(id), timestamp
    if template[5] then options[template[5]] = delay end
    if template[6] then options[template[6]] = priority end
    call('HSET', key, 'name', name, 'data', ARGV[at], 'opts', table.concat(options),
      'timestamp', timestamp, 'delay', delay, 'priority', priority)
    call('XADD', events, '*', 'event', 'added', 'jobId', id, 'name', name)
    if delay ~= '0' then
      add_delayed(id, timestamp, delay)
      any_delayed = true
    else
      if priority == '0' then
        plain[#plain + 1] = id
      else
        ranked[#ranked + 1] = priority * 0x100000000
        ranked[#ranked + 1] = id
      end
      call('XADD', events, 'MAXLEN', '~', most_events, '*', 'event', 'waiting', 'jobId', id)
    end
  end
  at = at + 3
end

if #plain > 0 then call('LPUSH', wait, unpack(plain)) end
if #ranked > 0 then
  local number = call('INCRBY', priorities, #ranked / 2) - #ranked / 2
  for place = 1, #ranked, 2 do
    number = number + 1
    ranked[place] = ranked[place] + number % 0x100000000
  end
  call('ZADD', prioritized, unpack(ranked))
end
if not held and #plain + #ranked > 0 then call('ZADD', marker, 0, '0') end
if any_delayed then
  call('ZADD', marker, call('ZRANGE', delayed, 0, 0, 'WITHSCORES')[2] / 0x1000, '1')
end
return known
`;

/** Everything `ADD_JOBS` is called with, beginning with the number of keys. `prefix` is BullMQ's. */
export function addJobsArguments(prefix: string, queue: string, jobs: readonly HandoverJob[]): (string | number)[] {
  const before = `${prefix}:${queue}:`;
  const keys = QUEUE_KEYS.map((key) => before + key);
  const numbers = new Map<string, number>();
  const shapes: (string | number)[] = [];
  const values: (string | number)[] = [];
  for (const job of jobs) {
    const shape = `${job.attempts} ${job.delayMs} ${job.priority} ${job.name}`;
    let number = numbers.get(shape);
    if (number === undefined) {
      number = numbers.size + 1;
      numbers.set(shape, number);
      shapes.push(job.name, job.attempts, job.delayMs, job.priority, markedOptions(job));
    }
    keys.push(before + job.id);
    values.push(job.data, job.timestamp, number);
  }
  return [keys.length, ...keys, Buffer.byteLength(before), numbers.size, ...shapes, ...values];
}

/** One of four texts: what differs more is marked. */
function markedOptions({ delayMs, priority }: HandoverJob): string {
  return JSON.stringify({ ...PLAIN, ...(delayMs > 0 && DELAY), ...(priority > 0 && PRIORITY) });
}
