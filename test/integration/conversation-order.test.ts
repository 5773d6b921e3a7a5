/** For any messages to any characters, under failures of the model: order, one at a time, one reply each. */

import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Deadline } from '../../src/lifecycle.ts';
import { createLogger } from '../../src/logger.ts';
import { Catalog, loadCatalog } from '../../src/queue/catalog.ts';
import { WorkerProcess } from '../../workers/worker.ts';
import { faultsOf, lineOf, unreliable } from '../support/conversation-check.ts';
import { eventually } from '../support/millrace-process.ts';
import { type ModelServer, startModelServer } from '../support/model-server.ts';
import { REAL_JOBS } from '../support/producer-side.ts';
import { randomFrom } from '../support/seeded-random.ts';
import { openWebSite, type WebSite } from '../support/web-site.ts';

/** Share of the calls that fail. */
const FAILING = 0.15;
const SEED = 20261121;
const RUNS = 20;

let model: ModelServer;
let site: WebSite;
let workers: WorkerProcess[];

beforeAll(async () => {
  model = await startModelServer(unreliable(randomFrom(SEED), FAILING, 20), lineOf);
  const environment = { AI_BASE_URL: model.url, AI_QUEUE_CONCURRENCY: '10' };
  site = await openWebSite({ jobsDir: REAL_JOBS, worker: false, environment });
  const logger = createLogger({ level: 'silent', role: 'test' });
  // As the real one, but a failed attempt comes back soon.
  const real = await loadCatalog(REAL_JOBS);
  const soon = real.all.map((each) =>
    each.queue === 'ai' ? { ...each, attempts: 25, backoff: { delayMs: 50, capMs: 200 } } : each,
  );
  const catalog = new Catalog(soon);
  workers = [1, 2].map(() => new WorkerProcess({ config: site.world.config, catalog, logger, queues: ['ai'] }));
  await Promise.all(workers.map((worker) => worker.start()));
});

afterAll(async () => {
  await Promise.all(workers.map((worker) => worker.stop(Deadline.in(5000))));
  await site.close();
  await model.close();
});

test(`in ${RUNS} rounds of messages to up to 8 lines, with ${FAILING * 100} % of the calls failing, on two workers`, async () => {
  const { conversations, database } = site.web.services;
  let round = 0;
  const line = fc.record({ conversation: fc.nat(3), character: fc.constantFrom('mira', 'bo') });
  await fc.assert(
    fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 40 }), async (said) => {
      round += 1;
      await Promise.all(
        said.map(({ conversation, character }, n) => {
          const id = `r${round}-c${conversation}`;
          const text = `${id}:${character}/${n}`;
          return conversations.say('default', id, { userId: 'ada', characterId: character, text });
        }),
      );
      const waiting = () =>
        database.selectFrom('conversation_messages').select('id').where('status', '=', 'waiting').execute();
      await eventually(waiting, (rows) => rows.length === 0, 20_000);
      expect(await faultsOf(database, model)).toEqual([]);
    }),
    { numRuns: RUNS, seed: SEED, endOnFailure: true },
  );
  const replies = await database
    .selectFrom('conversation_messages')
    .select('id')
    .where('role', '=', 'assistant')
    .execute();
  // There were failures, and they were asked again.
  expect(replies.length).toBeGreaterThan(20);
  expect(model.calls.length).toBeGreaterThan(replies.length);
  const tokens = await database.selectFrom('token_usage').select(['replies', 'prompt_tokens']).execute();
  expect(tokens).toEqual([{ replies: replies.length, prompt_tokens: String(11 * replies.length) }]);
}, 120_000);
