/** The peers as contenders: a producer and a worker each, on the same stores as everybody else. */

import type { PrivateStore } from '../../support/stores.ts';
import type { Actor } from './actor.ts';
import type { RivalCommands } from './actors/rival.ts';
import type { Stage } from './stage.ts';

interface PeerForm {
  readonly name: string;
  readonly file: string;
  readonly on: 'redis' | 'postgres';
  /** Does a commit wait for the disk? Without it PostgreSQL is as durable as Redis with AOF everysec. */
  readonly synced: boolean;
}

const PEERS: readonly PeerForm[] = [
  { name: 'bee-queue', file: 'bee-queue', on: 'redis', synced: false },
  { name: 'job-queue (platformatic)', file: 'job-queue', on: 'redis', synced: false },
  { name: 'pg-boss, asynchronous commit', file: 'pg-boss', on: 'postgres', synced: false },
  { name: 'pg-boss, synced', file: 'pg-boss', on: 'postgres', synced: true },
  { name: 'graphile-worker, asynchronous commit', file: 'graphile-worker', on: 'postgres', synced: false },
  { name: 'graphile-worker, synced', file: 'graphile-worker', on: 'postgres', synced: true },
];

/** A contender without HTTP: who adds, and who works. */
export interface Pair {
  readonly producer: Actor<RivalCommands>;
  readonly worker: Actor<RivalCommands>;
}

export interface Peer extends PeerForm, Pair {}

/** Let it use no processor while others have their turn: some look for work all the time. */
export function freeze({ producer, worker }: Pair): void {
  for (const actor of [producer, worker]) actor.freeze();
}

export function thaw({ producer, worker }: Pair): void {
  for (const actor of [producer, worker]) actor.thaw();
}

/** Open them all, workers not yet working; none when they are not installed. One that cannot be opened is left out. */
export async function openPeers(
  stage: Stage,
  { redis, postgres }: { redis: PrivateStore; postgres: PrivateStore },
): Promise<Peer[]> {
  const { withoutPeers } = stage.bench.build;
  if (withoutPeers !== undefined) {
    stage.bench.say(withoutPeers);
    return [];
  }
  const peers: Peer[] = [];
  for (const form of PEERS) {
    const producer = stage.actor(`peers/${form.file}.js`);
    const worker = stage.actor(`peers/${form.file}.js`);
    const databaseUrl = new URL(postgres.url);
    databaseUrl.searchParams.set('options', `-c synchronous_commit=${form.synced ? 'on' : 'off'}`);
    const name = `peer-${form.file}-${form.synced ? 'synced' : 'async'}`;
    const place = { redisUrl: redis.url, databaseUrl: databaseUrl.href, name };
    // One after the other: the second finds the tables that the first has made.
    await producer.call('open', place);
    await worker.call('open', place);
    peers.push({ ...form, producer, worker });
  }
  return peers;
}
