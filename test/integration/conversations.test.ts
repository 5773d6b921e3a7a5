/** Conversations end to end: over HTTP, through the queue, with a model server of the test's own. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { latch } from '../support/latch.ts';
import { eventually } from '../support/millrace-process.ts';
import {
  answerWith,
  type Behaviour,
  beginStream,
  eventOf,
  type ModelServer,
  pieceOf,
  refuseWith,
  startModelServer,
} from '../support/model-server.ts';
import { REAL_JOBS } from '../support/producer-side.ts';
import { openWebSite, type WebAnswer, type WebSite } from '../support/web-site.ts';

let model: ModelServer;
let site: WebSite;
let serial = 0;

/** Says again what was asked. */
const echo: Behaviour = (call, response) => answerWith(['You said: ', call.asked])(call, response);

beforeAll(async () => {
  model = await startModelServer(echo, ({ messages }) => messages[0]?.content ?? '');
  site = await openWebSite({ jobsDir: REAL_JOBS, environment: { AI_BASE_URL: model.url, AI_API_KEY: 'sk-1' } });
});
afterAll(async () => {
  await site.close();
  await model.close();
});
beforeEach(() => {
  serial += 1;
  model.behave(echo);
});

const here = () => `talk-${serial}`;
const say = (text: string, more: object = {}, headers: Record<string, string> = {}) =>
  site.ask(
    'POST',
    `/api/conversations/${here()}/messages`,
    { userId: 'ada', characterId: 'mira', text, ...more },
    headers,
  );
const read = async (id = here()): Promise<WebAnswer['body']> =>
  (await site.ask('GET', `/api/conversations/${id}`)).body;
const jobOf = async (id: string) => (await site.ask('GET', `/v1/jobs/${id}`)).body;
const finished = (id: string, ms = 20_000) =>
  eventually(
    () => jobOf(id),
    ({ state }) => state === 'completed' || state === 'dead',
    ms,
  );
const idle = (id = here()) =>
  eventually(
    () => read(id),
    ({ state }) => state === 'idle',
    25_000,
  );

/** Behaves like the first, then the second, …; then like the last for ever. */
function inTurn(...behaviours: readonly Behaviour[]): Behaviour {
  let at = 0;
  return (call, response) => {
    const behaviour = behaviours[Math.min(at, behaviours.length - 1)];
    at += 1;
    return behaviour?.(call, response);
  };
}

describe('a message', () => {
  test('is accepted with its place and its job, and gets a reply', async () => {
    const said = await say('Good morning.');
    expect(said.status).toBe(202);
    expect(said.body).toEqual({
      id: expect.stringMatching(/^msg_/),
      conversationId: here(),
      sequence: 1,
      position: 1,
      job: expect.stringMatching(/^ai_/),
    });
    expect(said.headers.get('location')).toBe(`/v1/jobs/${said.body.job}`);
    const job = await finished(said.body.job);
    expect(job).toMatchObject({
      state: 'completed',
      result: { messageId: said.body.id, sequence: 2, promptTokens: 11 },
    });
    expect(await idle()).toMatchObject({
      userId: 'ada',
      lines: [{ characterId: 'mira', state: 'idle', waiting: 0 }],
      messages: [
        { role: 'user', text: 'Good morning.', status: 'answered', position: null, error: null, job: said.body.job },
        { role: 'assistant', text: 'You said: Good morning.', inReplyTo: said.body.id, status: null, job: null },
      ],
    });
  });

  test('is told to the model after what was said before, with the character and the style of the user', async () => {
    await site.ask('PUT', '/api/characters/bo', { name: 'Bo', prompt: 'You are a sailor.' });
    const preferences = { note: 'I like plain words.', substitutions: { utilize: 'use' } };
    await site.ask('PUT', '/api/profile/style', { userId: 'ada', preferences });
    for (const text of ['One.', 'Two.']) await finished((await say(text, { characterId: 'bo' })).body.job);
    const told = model.calls.at(-1)?.messages ?? [];
    expect(told[0]?.role).toBe('system');
    expect(told[0]?.content).toMatch(/Your name is Bo\. You are a sailor\..*“use” rather than “utilize”.*plain words/s);
    expect(told.slice(1)).toEqual([
      { role: 'user', content: 'One.' },
      { role: 'assistant', content: 'You said: One.' },
      { role: 'user', content: 'Two.' },
    ]);
    await site.ask('PUT', '/api/characters/bo', { name: 'Bo', prompt: 'You are a cook.' });
    await finished((await say('Three.', { characterId: 'bo' })).body.job);
    expect(model.calls.at(-1)?.messages[0]?.content).toMatch(/You are a cook/);
  });

  test('shows its reply as it comes, in the progress of its job, and leaves no text there', async () => {
    const gate = latch();
    model.behave(async (_call, response) => {
      beginStream(response);
      response.write(pieceOf('Once upon '));
      await gate.opened;
      response.write(pieceOf('a time.', 'stop'));
      response.end(eventOf('[DONE]'));
    });
    const { job } = (await say('Tell me a story.')).body;
    const seen = await eventually(
      () => jobOf(job),
      ({ progress }) => progress?.text !== undefined,
      10_000,
    );
    expect(seen).toMatchObject({
      state: 'active',
      progress: { text: 'Once upon ', from: 0, characters: 10, done: false },
    });
    gate.open();
    expect((await finished(job)).progress).toEqual({ characters: 17, done: true });
  });

  test('with an Idempotency-Key is one message however often it is sent; another text is refused', async () => {
    const key = { 'idempotency-key': 'k-1' };
    const [first, again] = await Promise.all([say('Hi.', {}, key), say('Hi.', {}, key)]);
    expect(again?.body.id).toBe(first?.body.id);
    expect(await say('Bye.', {}, key)).toMatchObject({ status: 422, body: { code: 'idempotency-key-reused' } });
    const { messages } = await idle();
    expect(messages).toHaveLength(2);
    expect((await say('Hi.', {}, key)).body).toMatchObject({ id: first?.body.id, position: 0 });
  });
});

describe('a line', () => {
  test('answers 20 messages that come at once in their order, one at a time, with their places', async () => {
    const gate = latch();
    model.behave(async (call, response) => {
      await gate.opened;
      await echo(call, response);
    });
    await site.ask('PUT', '/api/characters/line', { name: `line ${serial}`, prompt: 'Only one at a time.' });
    const said = await Promise.all(Array.from({ length: 20 }, (_, n) => say(`Message ${n}.`, { characterId: 'line' })));
    expect(said.map(({ status }) => status)).toEqual(Array(20).fill(202));
    const bySequence = said.map(({ body }) => body).sort((a, b) => a.sequence - b.sequence);
    expect(bySequence.map(({ position }) => position)).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));

    const view = await eventually(read, ({ state }) => state === 'processing', 10_000);
    expect(view.lines).toMatchObject([{ state: 'processing', waiting: 20 }]);
    expect(view.messages.map(({ position }: { position: number }) => position)).toEqual(
      bySequence.map((each) => each.position),
    );
    expect(await jobOf(bySequence[19]?.job)).toMatchObject({ state: 'accepted' });
    gate.open();

    const { messages } = await idle();
    const replies = messages.filter(({ role }: { role: string }) => role === 'assistant');
    expect(replies.map(({ inReplyTo }: { inReplyTo: string }) => inReplyTo)).toEqual(bySequence.map(({ id }) => id));
    const one = [...model.mostAtOnce].find(([system]) => system.includes(`line ${serial}`));
    expect(one?.[1]).toBe(1);
  });

  test('to one character does not wait for the line to another', async () => {
    const gate = latch();
    model.behave(async (call, response) => {
      if (call.asked === 'Wait.') await gate.opened;
      await echo(call, response);
    });
    const slow = await say('Wait.', { characterId: 'slow' });
    const quick = await say('Now.', { characterId: 'quick' });
    expect(quick.body.position).toBe(1);
    expect(await finished(quick.body.job)).toMatchObject({ state: 'completed' });
    expect((await read()).state).toBe('processing');
    gate.open();
    expect(await finished(slow.body.job)).toMatchObject({ state: 'completed' });
  });

  test('goes on without a message whose job was cancelled while it waited', async () => {
    const gate = latch();
    model.behave(async (call, response) => {
      await gate.opened;
      await echo(call, response);
    });
    const [first, second, third] = [await say('First.'), await say('Second.'), await say('Third.')];
    await eventually(read, ({ state }) => state === 'processing', 10_000);
    expect(await site.ask('DELETE', `/v1/jobs/${second.body.job}`)).toMatchObject({ body: { state: 'cancelled' } });
    gate.open();
    const { messages } = await idle();
    const statusOf = (id: string) => messages.find((each: { id: string }) => each.id === id)?.status;
    expect([first, second, third].map(({ body }) => statusOf(body.id))).toEqual(['answered', 'cancelled', 'answered']);
    expect(model.calls.map(({ asked }) => asked)).not.toContain('Second.');

    const payload = { conversationId: here(), characterId: 'mira', messageId: second.body.id };
    const asked = await site.ask('POST', '/v1/jobs', { job: 'ai.generate-reply', payload });
    expect(await finished(asked.body.id)).toMatchObject({ state: 'dead', error: { code: 'work-refused' } });
  });

  test('takes at most 100 messages that wait', async () => {
    const gate = latch();
    model.behave(async (call, response) => {
      await gate.opened;
      await echo(call, response);
    });
    const statuses: number[] = [];
    for (let n = 0; n < 101; n++) statuses.push((await say(`${n}`)).status);
    expect(statuses.slice(0, 100)).toEqual(Array(100).fill(202));
    const refused = await say('One more.');
    expect(refused).toMatchObject({ status: 429, body: { code: 'conversation-full' } });
    gate.open();
    await idle();
  });
});

describe('a model that', () => {
  test('asks to come later costs no attempt', async () => {
    model.behave(inTurn(refuseWith(429, { 'retry-after': '0.2' }), refuseWith(429, { 'retry-after': '0.2' }), echo));
    const job = await finished((await say('Busy?')).body.job);
    expect(job).toMatchObject({ state: 'completed', attempts: { made: 1 } });
  });

  test.each([
    ['fails', refuseWith(500)],
    [
      'breaks off in the middle',
      ((_call, response) => {
        beginStream(response);
        response.write(pieceOf('half an ans'), () => response.destroy());
      }) satisfies Behaviour,
    ],
  ])('%s is asked again, and half an answer is never stored', async (_what, behaviour) => {
    model.behave(inTurn(behaviour, echo));
    const { job } = (await say('Again?')).body;
    expect(await finished(job)).toMatchObject({ state: 'completed', attempts: { made: 2 } });
    const { messages } = await idle();
    expect(messages.map(({ text }: { text: string }) => text)).toEqual(['Again?', 'You said: Again?']);
  });

  test('refuses for good leaves a dead job with the reason, and the next message has its turn', async () => {
    const gate = latch();
    model.behave(
      inTurn(async (call, response) => {
        await gate.opened;
        await refuseWith(401, {}, '{"error":{"message":"bad key sk-1"}}')(call, response);
      }, echo),
    );
    const first = await say('Me?');
    const second = await say('And me?');
    gate.open();
    const dead = await finished(first.body.job);
    expect(dead).toMatchObject({ state: 'dead', error: { code: 'provider-refused' } });
    expect(JSON.stringify(dead)).not.toContain('sk-1');
    expect(await finished(second.body.job)).toMatchObject({ state: 'completed' });
    expect((await idle()).messages[0]).toMatchObject({ status: 'failed', error: 'provider-refused' });

    // A person may let it run again: its reply comes late, and once.
    expect((await site.ask('POST', `/v1/jobs/${first.body.job}/retry`)).status).toBe(202);
    expect(await finished(first.body.job)).toMatchObject({ state: 'completed' });
    expect((await idle()).messages[0]).toMatchObject({ status: 'answered', error: null });
  });
});

describe('a job that was asked for by hand', () => {
  test('finds the reply of a message that has one, without asking the model', async () => {
    const said = await say('Once.');
    const { result } = await finished(said.body.job);
    const calls = model.calls.length;
    const payload = { conversationId: here(), characterId: 'mira', messageId: said.body.id };
    const again = await site.ask('POST', '/v1/jobs', { job: 'ai.generate-reply', payload });
    expect(await finished(again.body.id)).toMatchObject({ state: 'completed', result });
    expect(model.calls).toHaveLength(calls);
    expect((await idle()).messages).toHaveLength(2);
  });

  test.each([
    ['an unknown conversation', { conversationId: 'nowhere' }],
    ['an unknown message', { messageId: 'msg_none' }],
    ['another character', { characterId: 'somebody-else' }],
  ])('for %s is refused for good', async (_what, change) => {
    const said = await say('Here.');
    await finished(said.body.job);
    const payload = { conversationId: here(), characterId: 'mira', messageId: said.body.id, ...change };
    const asked = await site.ask('POST', '/v1/jobs', { job: 'ai.generate-reply', payload });
    expect(await finished(asked.body.id)).toMatchObject({ state: 'dead', error: { code: 'work-refused' } });
  });
});

describe('a line that stands still', () => {
  const sweep = async (payload: object = {}) => {
    const { body } = await site.ask('POST', '/v1/jobs', { job: 'cleanup.release-stuck-conversations', payload });
    const { result, progress } = await finished(body.id);
    return { ...result, told: progress };
  };

  test('because its job is gone and its state has expired is found, and its message answered', async () => {
    const { database } = site.web.services;
    model.behave(refuseWith(429, { 'retry-after': '3600' }));
    const said = await say('Lost?');
    await eventually(
      () => jobOf(said.body.job),
      ({ state }) => state === 'delayed',
      10_000,
    );
    await site.web.services.queues.get('ai').remove(said.body.job);
    model.behave(echo);
    await database
      .updateTable('conversation_lines')
      .set({ state: 'processing', expires_at: new Date(0) })
      .where('conversation_id', '=', here())
      .execute();
    const one = { removed: 1, bytes: 0 };
    expect(await sweep({ dryRun: true })).toEqual({ ...one, dryRun: true, told: one });
    expect((await read()).state).toBe('processing');
    expect(await sweep()).toEqual({ ...one, dryRun: false, told: one });
    expect((await idle()).messages.at(-1)).toMatchObject({ text: 'You said: Lost?', inReplyTo: said.body.id });
    expect(await sweep()).toMatchObject({ removed: 0, bytes: 0, dryRun: false });
  });

  test('because the job of its first message was cancelled goes on with the second', async () => {
    model.behave(refuseWith(429, { 'retry-after': '3600' }));
    const first = await say('First.');
    await eventually(
      () => jobOf(first.body.job),
      ({ state }) => state === 'delayed',
      10_000,
    );
    const second = await say('Second.');
    model.behave(echo);
    expect((await site.ask('DELETE', `/v1/jobs/${first.body.job}`)).body.state).toBe('cancelled');
    expect(await sweep()).toMatchObject({ removed: 1 });
    expect(await finished(second.body.job)).toMatchObject({ state: 'completed' });
    expect((await idle()).messages[0]).toMatchObject({ status: 'cancelled', error: 'job-cancelled' });
  });
});

describe('tokens', () => {
  test('are counted by user and day, once for each reply', async () => {
    const userId = `counted-${serial}`;
    for (const text of ['One.', 'Two.', 'Three.']) await finished((await say(text, { userId })).body.job);
    const today = new Date().toISOString().slice(0, 10);
    const answer = await site.ask('GET', `/v1/usage/tokens?userId=${userId}&from=2026-01-01&to=2999-12-31`);
    expect(answer.body.days).toEqual([{ day: today, replies: 3, promptTokens: 33, completionTokens: 21 }]);
    const before = await site.ask('GET', `/v1/usage/tokens?userId=${userId}&from=2001-01-01&to=2001-01-02`);
    expect(before.body.days).toEqual([]);
  });

  test('are told to analytics by tenant and kind', async () => {
    const from = new Date();
    for (const text of ['One.', 'Two.']) await finished((await say(text)).body.job);
    const counts = await site.web.services.conversations.countsBetween(from, new Date(Date.now() + 1000));
    expect(counts).toEqual([
      { tenant: 'default', kind: 'ai.completion-tokens', amount: 14 },
      { tenant: 'default', kind: 'ai.prompt-tokens', amount: 22 },
      { tenant: 'default', kind: 'ai.replies', amount: 2 },
    ]);
    expect(await site.web.services.conversations.countsBetween(new Date(0), new Date(1))).toEqual([]);
  });
});

test('two users who say the same are answered by two calls, and no key holds what was said', async () => {
  const secret = 'the-heron-stands-alone';
  model.behave(answerWith([secret]));
  const calls = model.calls.length;
  for (const userId of ['one', 'two']) {
    const path = `/api/conversations/${here()}-${userId}/messages`;
    const { body } = await site.ask('POST', path, { userId, characterId: 'mira', text: 'The same prompt.' });
    await finished(body.job);
  }
  expect(model.calls).toHaveLength(calls + 2);
  const { cacheRedis, redis } = site.web.services;
  const keys = (await cacheRedis.keys('*')).map((key) => key.replace(site.world.config.CACHE_KEY_PREFIX, ''));
  expect(keys).toEqual(
    expect.arrayContaining(['character:prompt:mira', expect.stringMatching(/^personality:mira:[0-9a-f]{64}$/)]),
  );
  for (const key of await cacheRedis.keys('*')) {
    expect(String(await cacheRedis.get(key)), key).not.toMatch(/heron|same prompt/);
  }
  for (const key of await redis.keys('*bull:ai:ai_*')) {
    if ((await redis.type(key)) !== 'hash') continue;
    expect(JSON.stringify(await redis.hgetall(key)), key).not.toMatch(/heron|same prompt/);
  }
});

describe('what the API tells', () => {
  test('of experimental jobs', async () => {
    const { definitions } = (await site.ask('GET', '/v1/definitions')).body;
    const flags = new Map(
      definitions.map((each: { name: string; experimental: boolean }) => [each.name, each.experimental]),
    );
    expect(flags.get('ai.generate-reply')).toBe(true);
    expect(flags.get('learning.process-edit')).toBe(true);
    expect(flags.get('cleanup.wake-overdue')).toBe(false);
  });

  test('of the model in the health', async () => {
    expect((await site.ask('GET', '/health')).body.services).toMatchObject({ model: 'available' });
  });

  test('of a character nobody has defined: the default one', async () => {
    const { body } = await site.ask('GET', '/api/characters/nobody');
    expect(body).toMatchObject({ id: 'nobody', name: 'nobody', prompt: expect.stringContaining('conversation') });
  });

  test('of a conversation page by page', async () => {
    for (const text of ['One.', 'Two.', 'Three.']) await finished((await say(text)).body.job);
    const { body } = await site.ask('GET', `/api/conversations/${here()}?limit=2&before=5`);
    expect(body.messages.map(({ sequence }: { sequence: number }) => sequence)).toEqual([3, 4]);
  });
});

const MESSAGE = { userId: 'ada', characterId: 'mira', text: 'Hello.' };
const LONG = 'x'.repeat(20_001);

/** Requests that no honest client sends, and what each is answered. */
const HOSTILE: [what: string, method: string, path: string, body: unknown, status: number, code: string][] = [
  ['no body', 'POST', '/api/conversations/h/messages', undefined, 400, 'malformed-json'],
  ['an empty object', 'POST', '/api/conversations/h/messages', {}, 422, 'invalid-input'],
  ['a list', 'POST', '/api/conversations/h/messages', [MESSAGE], 422, 'invalid-input'],
  ['an empty text', 'POST', '/api/conversations/h/messages', { ...MESSAGE, text: '' }, 422, 'invalid-input'],
  ['a text of spaces', 'POST', '/api/conversations/h/messages', { ...MESSAGE, text: ' \n\t ' }, 422, 'invalid-input'],
  ['a text of 20,001', 'POST', '/api/conversations/h/messages', { ...MESSAGE, text: LONG }, 422, 'invalid-input'],
  ['a text that is a list', 'POST', '/api/conversations/h/messages', { ...MESSAGE, text: ['a'] }, 422, 'invalid-input'],
  ['NUL', 'POST', '/api/conversations/h/messages', { ...MESSAGE, text: 'a\0b' }, 422, 'invalid-input'],
  ['half a pair', 'POST', '/api/conversations/h/messages', { ...MESSAGE, text: 'a\ud83d' }, 422, 'invalid-input'],
  ['a role', 'POST', '/api/conversations/h/messages', { ...MESSAGE, role: 'system' }, 422, 'invalid-input'],
  ['a tenant', 'POST', '/api/conversations/h/messages', { ...MESSAGE, tenant: 'acme' }, 422, 'invalid-input'],
  ['a user with a colon', 'POST', '/api/conversations/h/messages', { ...MESSAGE, userId: 'a:b' }, 422, 'invalid-input'],
  [
    'a character with a colon',
    'POST',
    '/api/conversations/h/messages',
    { ...MESSAGE, characterId: 'a:b' },
    422,
    'invalid-input',
  ],
  ['a conversation with a colon', 'POST', '/api/conversations/a:b/messages', MESSAGE, 422, 'invalid-input'],
  ['a conversation of 129', 'POST', `/api/conversations/${'c'.repeat(129)}/messages`, MESSAGE, 422, 'invalid-input'],
  ['SQL as a conversation', 'POST', "/api/conversations/'%20OR%201=1--/messages", MESSAGE, 422, 'invalid-input'],
  ['an unknown conversation', 'GET', '/api/conversations/nowhere', undefined, 404, 'not-found'],
  ['limit 0', 'GET', '/api/conversations/h?limit=0', undefined, 422, 'invalid-input'],
  ['limit 1e9', 'GET', '/api/conversations/h?limit=1e9', undefined, 422, 'invalid-input'],
  ['before 1e15', 'GET', '/api/conversations/h?before=1e15', undefined, 422, 'invalid-input'],
  ['an unknown parameter', 'GET', '/api/conversations/h?user=x', undefined, 422, 'invalid-input'],
  ['a deletion', 'DELETE', '/api/conversations/h', undefined, 405, 'method-not-allowed'],
  ['no name', 'PUT', '/api/characters/h', { prompt: 'p' }, 422, 'invalid-input'],
  ['a name of lines', 'PUT', '/api/characters/h', { name: 'a\nb', prompt: 'p' }, 422, 'invalid-input'],
  ['a prompt of 20,001', 'PUT', '/api/characters/h', { name: 'a', prompt: LONG }, 422, 'invalid-input'],
  ['no user', 'GET', '/v1/usage/tokens?from=2026-01-01&to=2026-01-02', undefined, 422, 'invalid-input'],
  ['no day', 'GET', '/v1/usage/tokens?userId=a&from=yesterday&to=2026-01-02', undefined, 422, 'invalid-input'],
  ['the year 0', 'GET', '/v1/usage/tokens?userId=a&from=0000-01-01&to=2026-01-02', undefined, 422, 'invalid-input'],
  [
    'a 30th of February',
    'GET',
    '/v1/usage/tokens?userId=a&from=2026-02-30&to=2026-03-02',
    undefined,
    422,
    'invalid-input',
  ],
  [
    'days turned round',
    'GET',
    '/v1/usage/tokens?userId=a&from=2026-03-02&to=2026-03-01',
    undefined,
    422,
    'invalid-input',
  ],
];

describe('a hostile request', () => {
  test.each(HOSTILE)('with %s is refused', async (_what, method, path, body, status, code) => {
    expect(await site.ask(method, path, body)).toMatchObject({ status, body: { code } });
  });

  test('for another user’s conversation is refused, and leaves nothing', async () => {
    await finished((await say('Mine.')).body.job);
    const other = await say('Mine too?', { userId: 'eve' });
    expect(other).toMatchObject({ status: 422, body: { problems: [{ pointer: '/userId' }] } });
    expect((await idle()).messages).toHaveLength(2);
  });
});
