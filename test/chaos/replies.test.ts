/** Conversations while workers are killed and the model fails: nothing is lost, doubled or out of order. */

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Services } from '../../src/services.ts';
import { faultsOf, lineOf, unreliable } from '../support/conversation-check.ts';
import { buildOnce, endAll, eventually, MillraceProcess } from '../support/millrace-process.ts';
import { type ModelServer, startModelServer } from '../support/model-server.ts';
import { REAL_JOBS, startProducerSide, stopProducerSide } from '../support/producer-side.ts';
import { randomFrom } from '../support/seeded-random.ts';
import { createWorld, type World } from '../support/world.ts';

const LINES = 12;
const MESSAGES = 10;
const KILLS = 3;
/** The same kills at the same counts in every run. */
const SEED = 20261121;

let model: ModelServer;
let world: World;
let services: Services;

beforeAll(async () => {
  buildOnce();
  model = await startModelServer(unreliable(randomFrom(SEED), 0.05, 200), lineOf);
  world = await createWorld({ environment: { AI_BASE_URL: model.url, AI_QUEUE_CONCURRENCY: '10' } });
  services = await startProducerSide(world, REAL_JOBS, { journal: true });
  await services.outbox.start();
});

afterEach(() => endAll());

afterAll(async () => {
  await stopProducerSide(services);
  await world.close();
  await model.close();
});

test(`${LINES * MESSAGES} messages in ${LINES} lines while workers are killed ${KILLS} times: each has its one reply, in order`, async () => {
  const startWorker = () =>
    new MillraceProcess('worker', { environment: world.environment, args: ['ai'], built: true });
  const workers = [startWorker(), startWorker()];
  await Promise.all(workers.map((worker) => worker.printed('running')));

  for (let n = 0; n < MESSAGES; n++) {
    await Promise.all(
      Array.from({ length: LINES }, (_, line) => {
        const said = { userId: `user-${line}`, characterId: 'mira', text: `line-${line}/${n}` };
        return services.conversations.say('default', `line-${line}`, said);
      }),
    );
  }
  const answered = async () => {
    const query = services.database.selectFrom('conversation_messages').select('id').where('role', '=', 'assistant');
    return (await query.execute()).length;
  };
  const random = randomFrom(SEED);
  for (let kill = 1; kill <= KILLS; kill++) {
    const upTo = Math.floor((LINES * MESSAGES * kill * 0.8) / (KILLS + 1));
    await eventually(answered, (replies) => replies >= upTo, 60_000);
    const victim = Math.floor(random() * workers.length);
    await workers[victim]?.end('SIGKILL');
    workers[victim] = startWorker();
  }
  await eventually(answered, (replies) => replies >= LINES * MESSAGES, 90_000);
  expect(await faultsOf(services.database, model)).toEqual([]);
  expect(await answered()).toBe(LINES * MESSAGES);
  expect((await services.inspector.queue('ai')).counts.failed).toBe(0);
  await Promise.all(workers.map((worker) => worker.end()));
}, 180_000);
