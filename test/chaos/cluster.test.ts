/** The master of a Cluster that owns the queues is killed under load: jobs are accepted all along, and none is lost. */

import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FailoverLoad, startFailoverLoad } from '../support/failover-load.ts';
import { endAll } from '../support/millrace-process.ts';
import { type RedisCluster, startRedisCluster } from '../support/redis-cluster.ts';
import { createWorld, type World } from '../support/world.ts';

/** Milliseconds for which nothing may be answered, and nothing may be done. */
const LONGEST_GAP_MS = 5000;

let cluster: RedisCluster;
let world: World;
let queuePrefix: string;
let load: FailoverLoad;

beforeAll(async () => {
  [cluster, world] = await Promise.all([startRedisCluster(), createWorld()]);
  queuePrefix = `{${world.name}}`;
  load = await startFailoverLoad({ world, redisUrl: cluster.url, queuePrefix, jobMs: 20, concurrency: 10 });
});

afterAll(async () => {
  await load?.stop();
  await endAll();
  await cluster?.stop();
  await world?.close();
});

test('killing the master that owns the queues stops neither accepting nor working for 5 s, and loses nothing', async () => {
  const end = load.stream(2);
  await load.answered(100);
  const owner = await cluster.ownerOf(`${queuePrefix}:learning:wait`);
  await owner.kill();
  const killedMs = Date.now();
  // Answers say `waiting` again once the promoted replica takes jobs.
  await load.until(({ state, askedMs }) => state === 'waiting' && askedMs > killedMs + 500, 20_000);
  const takenMs = Date.now();
  await load.answered(50);
  await end();
  await load.completed(60_000);

  const effects = await load.effects();
  const answerGap = longestGap(load.answers.map(({ answeredMs }) => answeredMs));
  const effectGap = longestGap(effects.map(({ atMs }) => atMs));
  const late = load.answers.filter(({ state }) => state === 'accepted').length;
  console.error(
    `${load.answers.length} accepted, ${late} of them while the queues had no master; ` +
      `in their queues again after ${takenMs - killedMs} ms; longest gap between answers ${answerGap} ms, ` +
      `between effects ${Math.round(effectGap)} ms`,
  );
  expect(late).toBeGreaterThan(0);
  expect(answerGap).toBeLessThan(LONGEST_GAP_MS);
  expect(effectGap).toBeLessThan(LONGEST_GAP_MS);
  expect(load.answers.filter(({ status }) => status !== 202)).toEqual([]);
  expect(effects.map(({ n }) => n)).toEqual(load.answers.map(({ n }) => n).sort((a, b) => a - b));
  expect(effects.filter(({ times }) => times !== 1)).toEqual([]);
  for (const { output } of [load.web, load.worker]) expect(output).not.toMatch(/CROSSSLOT|same slot|Unhandled/);
});

function longestGap(times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b);
  return Math.max(0, ...sorted.slice(1).map((time, index) => time - (sorted[index] ?? time)));
}
