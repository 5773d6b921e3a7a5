import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { extractDeltas } from '../../src/profiles/style.ts';
import { addEdit, differenceOf, EMPTY_SUMS, type Sums } from '../../src/profiles/sums.ts';
import type { Services } from '../../src/services.ts';
import { buildOnce, endAll, eventually, MillraceProcess } from '../support/millrace-process.ts';
import { REAL_JOBS, startProducerSide, stopProducerSide } from '../support/producer-side.ts';
import { randomFrom } from '../support/seeded-random.ts';
import { createWorld, type World } from '../support/world.ts';

const EDITS = 500;
const WORKERS = 3;
const KILLS = 8;
/** The same kills at the same counts in every run. */
const SEED = 20261121;

let world: World;
let services: Services;

beforeAll(async () => {
  buildOnce();
  world = await createWorld({
    environment: { EDIT_BATCH_WINDOW_MINUTES: '0', LEARNING_RATE_LIMIT_MINUTES: '0', LEARNING_QUEUE_CONCURRENCY: '3' },
  });
  services = await startProducerSide(world, REAL_JOBS);
});

afterEach(() => endAll());

afterAll(async () => {
  await stopProducerSide(services);
  await world.close();
});

test(`${EDITS} edits of one writer on ${WORKERS} workers under random kills: the profile is the replay of all edits`, async () => {
  const startWorker = () => new MillraceProcess('worker', { environment: world.environment, built: true });
  const workers = Array.from({ length: WORKERS }, startWorker);
  await Promise.all(workers.map((worker) => worker.printed('running')));

  const texts = Array.from({ length: EDITS }, (_, index) => ({
    originalText: `I would perhaps like to utilize the plan number ${index}. It is, I think, quite important to us all!`,
    editedText: `Let us use plan ${index}. ${index % 3 === 0 ? 'It matters.' : "It's important; we agree."}`,
  }));
  const jobs: string[] = [];
  for (const [index, edit] of texts.entries()) {
    const payload = { userId: 'many', contentId: `c-${index}`, ...edit };
    const { id } = await services.producer.enqueueKept({ tenant: 'default', job: 'learning.process-edit', payload });
    jobs.push(id);
  }

  const learned = async () => (await services.profiles.style('default', 'many')).value.edits;
  const random = randomFrom(SEED);
  for (let kill = 1; kill <= KILLS; kill++) {
    const upTo = Math.floor((EDITS * kill * 0.8) / KILLS);
    await eventually(learned, (edits) => edits >= upTo, 90_000);
    const victim = Math.floor(random() * WORKERS);
    await workers[victim]?.end('SIGKILL');
    workers[victim] = startWorker();
  }
  await eventually(learned, (edits) => edits >= EDITS, 120_000);
  const views = await eventually(
    () => Promise.all(jobs.map((id) => services.inspector.job('default', id))),
    (all) => all.every(({ state }) => state === 'completed'),
    60_000,
  );
  expect(views.map(({ collectedInto }) => collectedInto)).toEqual(Array(EDITS).fill(null));

  const row = await services.database
    .selectFrom('profiles')
    .select(['sums', 'version'])
    .where('user_id', '=', 'many')
    .executeTakeFirstOrThrow();
  const stored = await services.database
    .selectFrom('edits')
    .select(['id', 'saved_at', 'original_text', 'edited_text'])
    .where('user_id', '=', 'many')
    .orderBy('id', 'desc')
    .execute();
  expect(stored.map(({ id }) => id).sort()).toEqual([...jobs].sort());
  let replay: Sums = EMPTY_SUMS;
  for (const edit of stored) {
    replay = addEdit(replay, await extractDeltas(edit.original_text, edit.edited_text), edit.saved_at);
  }
  expect(differenceOf(row.sums as Sums, replay)).toBeLessThanOrEqual(1e-9);
  expect(row.version).toBe(EDITS);
  await Promise.all(workers.map((worker) => worker.end()));
}, 400_000);
