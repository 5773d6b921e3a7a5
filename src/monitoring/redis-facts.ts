/**
 * What a Redis server says about itself. Everything comes from INFO: CONFIG is forbidden on most managed servers.
 *
 * Promises: a fact that the server does not tell is undefined, never guessed. While Redis is away, or when INFO is
 * forbidden, reading rejects.
 */

import { within } from '../lifecycle.ts';

/** What is needed of a client. */
export interface InfoClient {
  info(): Promise<string>;
}

export interface RedisFacts {
  /** `7.0.15`, also for servers that speak for another name. */
  readonly version: string | undefined;
  /** The same for all connections to one running server. */
  readonly runId: string | undefined;
  readonly role: 'master' | 'replica' | undefined;
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

/** Read the facts of one server, within `ms` milliseconds. */
export async function readRedisFacts(redis: InfoClient, ms: number): Promise<RedisFacts> {
  return parseInfo(await within(ms, redis.info(), () => new Error(`Redis did not answer INFO within ${ms} ms`)));
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
    version: fields.get('redis_version'),
    runId: fields.get('run_id'),
    role: role === 'master' ? 'master' : role === undefined ? undefined : 'replica',
    evictionPolicy: fields.get('maxmemory_policy'),
    appendOnly: appendOnly === undefined ? undefined : appendOnly === '1',
    usedMemory: number('used_memory'),
    maxMemory: number('maxmemory'),
    clients: number('connected_clients'),
    commands: number('total_commands_processed'),
  };
}
