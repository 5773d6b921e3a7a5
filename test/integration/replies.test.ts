/** Taking turns, giving them back and storing replies: the capability on a real PostgreSQL, with a scripted model. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Replies } from '../../src/conversations/replies.ts';
import { AppError, Snooze } from '../../src/errors.ts';
import type { Services } from '../../src/services.ts';
import { REAL_JOBS, startProducerSide, stopProducerSide } from '../support/producer-side.ts';
import { ScriptedModel } from '../support/scripted-model.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let services: Services;
let replies: Replies;
let model: ScriptedModel;
let serial = 0;

beforeAll(async () => {
  world = await createWorld();
  services = await startProducerSide(world, REAL_JOBS);
  const { database, cache, profiles, characters } = services;
  model = new ScriptedModel((messages) => [`to ${messages.at(-1)?.content}`]);
  replies = new Replies({ database, cache, model, profiles, characters });
});
afterAll(async () => {
  await stopProducerSide(services);
  await world.close();
});
beforeEach(() => {
  serial += 1;
});

const signal = new AbortController().signal;
const line = () => ({ tenant: 'default', conversationId: `c-${serial}`, characterId: 'mira' });
const say = (text: string) =>
  services.conversations.say('default', `c-${serial}`, { userId: 'ada', characterId: 'mira', text });
const read = () => services.conversations.read('default', `c-${serial}`, { limit: 100 });

async function take(messageId: string) {
  const taken = await replies.take(line(), messageId);
  if ('stored' in taken) throw new Error('it has a reply already');
  return taken.turn;
}
const commit = (draft: Awaited<ReturnType<Replies['draft']>>) =>
  services.database.transaction().execute((tx) => replies.commit(tx, draft));
const openJobs = async () => {
  const rows = await services.database.selectFrom('outbox').select('id').where('not_before', '<', new Date()).execute();
  return rows.map(({ id }) => id);
};

describe('a turn', () => {
  test('is the first message’s: the others’ jobs are held back, and a job that comes early is put off', async () => {
    const [first, second] = [await say('One.'), await say('Two.')];
    const open = await openJobs();
    expect(open).toContain(first.job);
    expect(open).not.toContain(second.job);
    await expect(replies.take(line(), second.id)).rejects.toBeInstanceOf(Snooze);
    const stored = await commit(await replies.draft(await take(first.id), { signal }));
    expect(stored).toMatchObject({ messageId: first.id, sequence: 3 });
    expect(await openJobs()).toContain(second.job);
    expect((await take(second.id)).text).toBe('Two.');
  });

  test('that another run has taken meanwhile stores nothing, and gives nothing back', async () => {
    const { id } = await say('Twice?');
    const [old, fresh] = [await take(id), await take(id)];
    const draft = await replies.draft(old, { signal });
    await expect(commit(draft)).rejects.toMatchObject({ code: 'fence-lost' });
    await replies.giveBack(old, new AppError('provider-refused', 'No.'), true);
    expect((await read()).messages).toMatchObject([{ status: 'waiting' }]);
    await commit(await replies.draft(fresh, { signal }));
    await expect(commit(draft)).rejects.toMatchObject({ code: 'fence-lost' });
    expect((await read()).messages.map(({ text }) => text)).toEqual(['Twice?', 'to Twice?']);
  });

  test('whose reply cannot be stored leaves no token counted', async () => {
    const { id } = await say('Rolled back.');
    const draft = await replies.draft(await take(id), { signal });
    const failing = services.database.transaction().execute(async (tx) => {
      await replies.commit(tx, draft);
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    const from = new Date(Date.now() - 60_000);
    const counted = await services.conversations.countsBetween(from, new Date(Date.now() + 60_000));
    await commit(draft);
    const after = await services.conversations.countsBetween(from, new Date(Date.now() + 60_000));
    const repliesIn = (counts: typeof after) => counts.find(({ kind }) => kind === 'ai.replies')?.amount ?? 0;
    expect(repliesIn(after)).toBe(repliesIn(counted) + 1);
  });
});

describe('a turn that is given back', () => {
  const refused = new AppError('provider-refused', 'No.');
  const busy = new AppError('provider-busy', 'Later.', { retryAfterSeconds: 600 });
  const broken = new AppError('provider-failed', 'Broken.');

  test.each([
    ['a refusal', refused, false, 'failed'],
    ['a failure', broken, false, 'waiting'],
    ['a failure of the last attempt', broken, true, 'failed'],
    ['a bug in the last attempt', new TypeError('x'), true, 'failed'],
    ['being busy, even in the last attempt', busy, true, 'waiting'],
    ['a shutdown, even in the last attempt', new AppError('shutting-down', 'Bye.'), true, 'waiting'],
    ['a snooze', new Snooze(10, 'later'), true, 'waiting'],
  ] as const)('after %s (last: %s) leaves the message as it must be', async (_what, error, last, status) => {
    const [first, second] = [await say('One.'), await say('Two.')];
    await replies.giveBack(await take(first.id), error, last);
    const view = await read();
    expect(view).toMatchObject({ state: 'queued', messages: [{ status }, { status: 'waiting' }] });
    expect((await openJobs()).includes(second.job)).toBe(status === 'failed');
  });

  test('to a model that asks for ten minutes is not swept before they are over', async () => {
    const { id } = await say('Busy?');
    await replies.giveBack(await take(id), busy, false);
    const { expires_at } = await services.database
      .selectFrom('conversation_lines')
      .select('expires_at')
      .where('conversation_id', '=', `c-${serial}`)
      .executeTakeFirstOrThrow();
    expect(expires_at.getTime() - Date.now()).toBeGreaterThan(600_000);
  });
});

test('twenty concurrent messages get the sequence numbers 1 to 20 and the places 1 to 20', async () => {
  const said = await Promise.all(Array.from({ length: 20 }, (_, n) => say(`${n}`)));
  const numbers = said.map(({ sequence, position }) => [sequence, position]).sort(([a = 0], [b = 0]) => a - b);
  expect(numbers).toEqual(Array.from({ length: 20 }, (_, n) => [n + 1, n + 1]));
});

test('a draft needs a model: without one it is refused for good, and none is asked', async () => {
  const { database, cache, profiles, characters } = services;
  const silent = new ScriptedModel(() => ['x'], false);
  const without = new Replies({ database, cache, model: silent, profiles, characters });
  const { id } = await say('Anybody?');
  await expect(without.draft(await take(id), { signal })).rejects.toMatchObject({ code: 'provider-not-configured' });
  expect(silent.calls).toEqual([]);
});
