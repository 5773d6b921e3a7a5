/**
 * What a Redis says about itself: a server, or every master of a Cluster. Everything comes from INFO: CONFIG is
 * forbidden on most managed servers.
 *
 * Promises: a fact that the server does not tell is undefined, never guessed. While Redis or one master is away, or when
 * INFO is forbidden, reading rejects.
 */

import { within } from '../lifecycle.ts';
import { mastersOf } from '../redis/connections.ts';

/** What is needed of a client. */
export interface InfoClient {
  info(): Promise<string>;
}

export interface RedisFacts {
  /** `host:port` of the node of a Cluster, or of the master that Sentinels named; else undefined. */
  readonly place: string | undefined;
  /** `7.0.15`, also for servers that speak for another name. */
  readonly version: string | undefined;
  /** The same for all connections to one running server. */
  readonly runId: string | undefined;
  /** Changes when a replica is promoted, and when data is loaded that another history wrote. */
  readonly replicationId: string | undefined;
  /** Replicas that are connected. */
  readonly replicas: number | undefined;
  readonly role: 'master' | 'replica' | undefined;
  /** `standalone`, `cluster` for a node of a Cluster, or `sentinel`. */
  readonly mode: string | undefined;
  /** The policy when memory is full, such as `noeviction`. */
  readonly evictionPolicy: string | undefined;
  readonly appendOnly: boolean | undefined;
  /** Bytes. */
  readonly usedMemory: number | undefined;
  /** Bytes; 0: no limit. */
  readonly maxMemory: number | undefined;
  readonly clients: number | undefined;
  /** Commands since the server started. */
  readonly commands: number | undefined;
}

/** Read the facts of each master, by place, within `ms` milliseconds. */
export async function readMasters(redis: InfoClient, ms: number): Promise<readonly RedisFacts[]> {
  const late = () => new Error(`Redis did not answer INFO within ${ms} ms`);
  const masters = mastersOf(redis);
  if (masters === undefined) return [parseInfo(await within(ms, redis.info(), late))];
  const read = async ({ place, client }: (typeof masters)[number]) => ({ ...parseInfo(await client.info()), place });
  const facts = await within(ms, Promise.all(masters.map(read)), late);
  // One that was demoted a moment ago is left by its client; its successor is looked at next time.
  const still = facts.filter(({ role }) => role !== 'replica');
  if (still.length === 0) throw new Error('Redis has no master just now');
  return still.sort((one, other) => one.place.localeCompare(other.place));
}

/** Read the facts of the whole store within `ms` milliseconds: those of a server, or of all masters taken together. */
export async function readRedisFacts(redis: InfoClient, ms: number): Promise<RedisFacts> {
  const masters = await readMasters(redis, ms);
  const [first, ...others] = masters;
  if (first !== undefined && others.length === 0) return first;
  const all = <Name extends keyof RedisFacts>(name: Name) => masters.map((facts) => facts[name]);
  return {
    place: undefined,
    version: all('version').sort()[0],
    runId: joined(all('runId')),
    replicationId: joined(all('replicationId')),
    replicas: sum(all('replicas')),
    role: 'master',
    mode: first?.mode,
    evictionPolicy: all('evictionPolicy').find((policy) => policy !== 'noeviction') ?? first?.evictionPolicy,
    appendOnly: all('appendOnly').includes(undefined) ? undefined : all('appendOnly').every(Boolean),
    usedMemory: sum(all('usedMemory')),
    maxMemory: all('maxMemory').includes(0) ? 0 : sum(all('maxMemory')),
    clients: sum(all('clients')),
    commands: sum(all('commands')),
  };
}

function joined(texts: readonly (string | undefined)[]): string | undefined {
  return texts.includes(undefined) ? undefined : texts.join(' ');
}

function sum(numbers: readonly (number | undefined)[]): number | undefined {
  return numbers.reduce(
    (total, number) => (total === undefined || number === undefined ? undefined : total + number),
    0,
  );
}

/** Facts from the text of INFO. */
export function parseInfo(text: string): RedisFacts {
  const fields = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon > 0 && !line.startsWith('#')) fields.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  const number = (name: string) => {
    const value = fields.get(name);
    return value === undefined || !/^\d+$/.test(value) ? undefined : Number(value);
  };
  const role = fields.get('role');
  const appendOnly = fields.get('aof_enabled');
  return {
    place: undefined,
    version: fields.get('redis_version'),
    runId: fields.get('run_id'),
    replicationId: fields.get('master_replid'),
    replicas: number('connected_slaves'),
    role: role === 'master' ? 'master' : role === undefined ? undefined : 'replica',
    mode: fields.get('redis_mode'),
    evictionPolicy: fields.get('maxmemory_policy'),
    appendOnly: appendOnly === undefined ? undefined : appendOnly === '1',
    usedMemory: number('used_memory'),
    maxMemory: number('maxmemory'),
    clients: number('connected_clients'),
    commands: number('total_commands_processed'),
  };
}
