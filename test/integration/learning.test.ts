import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { NewEdit } from '../../src/profiles/learning.ts';
import type { Services } from '../../src/services.ts';
import { REAL_JOBS, startProducerSide, stopProducerSide } from '../support/producer-side.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let services: Services;
let serial = 0;

beforeAll(async () => {
  world = await createWorld();
  services = await startProducerSide(world, REAL_JOBS);
});

afterAll(async () => {
  await stopProducerSide(services);
  await world.close();
});

const never = new AbortController().signal;
const T = 'default';

function edit(n: number): NewEdit {
  serial += 1;
  return {
    id: `edit-${serial}`,
    savedAt: new Date(Date.UTC(2026, 0, 1 + n)),
    contentId: 'c',
    originalText: `I would perhaps like to utilize plan ${n}. It is really quite good.`,
    editedText: n % 2 === 0 ? `Let's use plan ${n}.` : `We use plan ${n}; it is good.`,
  };
}

async function learn(userId: string, edits: readonly NewEdit[]) {
  const draft = await services.learning.draftEdits(T, userId, edits, never);
  return services.database.transaction().execute((tx) => services.learning.commit(tx, `run-${userId}`, draft));
}

const row = (userId: string) =>
  services.database.selectFrom('profiles').selectAll().where('user_id', '=', userId).executeTakeFirstOrThrow();

describe('a profile', () => {
  test('is a function of the set of its edits: order and batches do not matter', async () => {
    const edits = [0, 1, 2, 3, 4, 5, 6].map(edit);
    await learn('in-order', edits);
    for (const each of [...edits].reverse()) await learn('one-by-one', [{ ...each, id: `again-${each.id}` }]);
    const [a, b] = await Promise.all([row('in-order'), row('one-by-one')]);
    const styleOf = ({ style }: typeof a) =>
      (style as { features: Record<string, { mean: number; count: number }> }).features;
    expect(Object.keys(styleOf(a)).length).toBeGreaterThan(15);
    for (const [name, { mean, count }] of Object.entries(styleOf(a))) {
      expect(styleOf(b)[name]?.mean, name).toBeCloseTo(mean, 5);
      expect(styleOf(b)[name]?.count, name).toBe(count);
    }
    expect([a.version, b.version]).toEqual([1, 7]);
  });

  test('keeps each edit with its deltas, as they were first computed', async () => {
    await learn('kept', [edit(1)]);
    const kept = await services.database.selectFrom('edits').selectAll().where('user_id', '=', 'kept').execute();
    expect(kept).toHaveLength(1);
    expect(kept[0]?.deltas).toMatchObject({ editShare: expect.any(Number) });
  });
});

describe('the fence', () => {
  test('refuses the writer who came first when a second one came meanwhile; nothing of the first is left', async () => {
    const first = await services.learning.draftEdits(T, 'fenced', [edit(1)], never);
    const second = await services.learning.draftEdits(T, 'fenced', [edit(2)], never);
    const commit = (draft: typeof first) =>
      services.database.transaction().execute((tx) => services.learning.commit(tx, 'run', draft));
    await expect(commit(first)).rejects.toMatchObject({ code: 'fence-lost' });
    expect(await commit(second)).toMatchObject({ version: 1, edits: 1 });
    const edits = await services.database.selectFrom('edits').select('id').where('user_id', '=', 'fenced').execute();
    expect(edits).toHaveLength(1);
  });

  test('is taken by preferences too: a run that began before them starts over, and they stay', async () => {
    const draft = await services.learning.draftEdits(T, 'prefers', [edit(1)], never);
    await services.profiles.setPreferences(T, 'prefers', { note: 'mine' });
    const commit = services.database.transaction().execute((tx) => services.learning.commit(tx, 'run', draft));
    await expect(commit).rejects.toMatchObject({ code: 'fence-lost' });
    expect(await learn('prefers', [edit(2)])).toMatchObject({ version: 2, edits: 1 });
    expect(await row('prefers')).toMatchObject({ preferences: { note: 'mine' } });
  });
});

describe('feedback', () => {
  test('is kept, bumps the version, and adds no edit', async () => {
    await learn('rated', [edit(1)]);
    const feedback = { id: 'fb-1', givenAt: new Date(), contentId: 'c', text: 'We use it.', rating: 1, comment: 'No.' };
    const draft = await services.learning.draftFeedback(T, 'rated', feedback);
    const learned = await services.database.transaction().execute((tx) => services.learning.commit(tx, 'run', draft));
    expect(learned).toMatchObject({ version: 2, edits: 1 });
    const kept = await services.database.selectFrom('feedback').selectAll().where('user_id', '=', 'rated').execute();
    expect(kept).toMatchObject([{ rating: 1, comment: 'No.' }]);
  });
});

test('an aborted signal ends the draft', async () => {
  const gone = AbortSignal.abort(new Error('gone'));
  await expect(services.learning.draftEdits(T, 'aborted', [edit(1)], gone)).rejects.toThrow('gone');
});

test('a run of many edits lets timers and I/O have their turn between them', async () => {
  let turns = 0;
  let running = true;
  const count = () => {
    turns += 1;
    if (running) setImmediate(count);
  };
  setImmediate(count);
  const edits = Array.from({ length: 20 }, (_, n) => ({ ...edit(n), originalText: 'It is quite so. '.repeat(100) }));
  await services.learning.draftEdits(T, 'long-run', edits, never);
  running = false;
  expect(turns).toBeGreaterThanOrEqual(edits.length);
});
