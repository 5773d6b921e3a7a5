/** Conversations of two tenants, without a model, and while Redis is away; and the demo's stop that shows one. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Api } from '../../src/cli/demo/api.ts';
import { playConversation } from '../../src/cli/demo/conversation.ts';
import { loadLocalConfig } from '../../src/config.ts';
import { eventually } from '../support/millrace-process.ts';
import { answerWith, type ModelServer, startModelServer } from '../support/model-server.ts';
import { REAL_JOBS } from '../support/producer-side.ts';
import { type PrivateStore, startPrivateRedis } from '../support/stores.ts';
import { openWebSite, type WebSite } from '../support/web-site.ts';

const MESSAGE = { userId: 'ada', characterId: 'mira', text: 'Hello.' };

/** What the demo prints when it talks to this site. */
async function played(site: WebSite): Promise<string> {
  const lines: string[] = [];
  const terminal = {
    print: (line: string) => void lines.push(line),
    say: () => {},
    config: async () => loadLocalConfig(),
  };
  await playConversation(new Api(`http://127.0.0.1:${site.port}`, undefined), terminal);
  return lines.join('\n');
}

const finished = (site: WebSite, id: string, headers: Record<string, string> = {}) =>
  eventually(
    async () => (await site.ask('GET', `/v1/jobs/${id}`, undefined, headers)).body,
    ({ state }) => state === 'completed' || state === 'dead',
    20_000,
  );

describe('two tenants', () => {
  let model: ModelServer;
  let site: WebSite;
  let acme: Record<string, string>;
  let other: Record<string, string>;

  beforeAll(async () => {
    model = await startModelServer();
    site = await openWebSite({
      jobsDir: REAL_JOBS,
      environment: { AUTH: 'on', HOST: '127.0.0.1', AI_BASE_URL: model.url },
    });
    const keyOf = async (tenant: string) => {
      const { key } = await site.web.services.apiKeys.create({ tenant, label: 'test' });
      return { authorization: `Bearer ${key}` };
    };
    [acme, other] = await Promise.all([keyOf('acme'), keyOf('other')]);
  });
  afterAll(async () => {
    await site.close();
    await model.close();
  });

  test('with conversations of one name have two conversations, and never see each other’s', async () => {
    const said = await site.ask('POST', '/api/conversations/c-1/messages', MESSAGE, acme);
    await finished(site, said.body.job, acme);
    const missing = { status: 404, body: { code: 'not-found' } };
    expect(await site.ask('GET', '/api/conversations/c-1', undefined, other)).toMatchObject(missing);
    const theirs = { ...MESSAGE, userId: 'eve', text: 'Mine.' };
    const second = await site.ask('POST', '/api/conversations/c-1/messages', theirs, other);
    expect(second.body).toMatchObject({ sequence: 1, position: 1 });
    await finished(site, second.body.job, other);
    const { body } = await site.ask('GET', '/api/conversations/c-1', undefined, other);
    expect(body.messages.map(({ text }: { text: string }) => text)).toEqual(['Mine.', 'Hello there.']);
    expect(JSON.stringify(model.calls.at(-1)?.messages)).not.toContain('Hello.');
  });

  test('cannot have a reply made in the other’s conversation, nor see its job', async () => {
    const said = await site.ask('POST', '/api/conversations/c-2/messages', MESSAGE, acme);
    await finished(site, said.body.job, acme);
    expect((await site.ask('GET', `/v1/jobs/${said.body.job}`, undefined, other)).status).toBe(404);
    const payload = { conversationId: 'c-2', characterId: 'mira', messageId: said.body.id };
    const asked = await site.ask('POST', '/v1/jobs', { job: 'ai.generate-reply', payload }, other);
    const job = await finished(site, asked.body.id, other);
    expect(job).toMatchObject({ state: 'dead', error: { code: 'work-refused' } });
  });

  test('have characters and tokens of their own', async () => {
    await site.ask('PUT', '/api/characters/kai', { name: 'Kai', prompt: 'You are a diver.' }, acme);
    expect((await site.ask('GET', '/api/characters/kai', undefined, acme)).body.name).toBe('Kai');
    expect((await site.ask('GET', '/api/characters/kai', undefined, other)).body.name).toBe('kai');
    const usage = '/v1/usage/tokens?userId=ada&from=2026-01-01&to=2999-01-01';
    expect((await site.ask('GET', usage, undefined, acme)).body.days).toHaveLength(1);
    expect((await site.ask('GET', usage, undefined, other)).body.days).toEqual([]);
    expect((await site.ask('GET', usage)).status).toBe(401);
  });
});

describe('without a model', () => {
  let site: WebSite;
  beforeAll(async () => {
    site = await openWebSite({ jobsDir: REAL_JOBS });
  });
  afterAll(() => site.close());

  test('a message is kept, its job is dead with the reason, and nothing else is the worse for it', async () => {
    const said = await site.ask('POST', '/api/conversations/c/messages', MESSAGE);
    expect(said.status).toBe(202);
    const job = await finished(site, said.body.job);
    expect(job).toMatchObject({ state: 'dead', error: { code: 'provider-not-configured' }, attempts: { made: 1 } });
    expect(job.error.message).toContain('AI_BASE_URL');
    const { body } = await site.ask('GET', '/api/conversations/c');
    expect(body).toMatchObject({ state: 'idle', messages: [{ status: 'failed', error: 'provider-not-configured' }] });
    const health = await site.ask('GET', '/health');
    expect(health.body).toMatchObject({ services: { model: 'not configured' }, reasons: {} });
    expect((await site.ask('GET', '/readyz')).status).toBe(200);
  });

  test('the demo says how to set one up, in one line', async () => {
    expect((await played(site)).trim()).toMatch(/^A conversation: AI_BASE_URL is not set\. Start with .*npm start$/);
  });
});

describe('while Redis is away', () => {
  let model: ModelServer;
  let redis: PrivateStore;
  let site: WebSite;

  beforeAll(async () => {
    model = await startModelServer();
    redis = await startPrivateRedis();
    site = await openWebSite({
      jobsDir: REAL_JOBS,
      stores: { redis: redis.url },
      environment: { AI_BASE_URL: model.url },
    });
  });
  afterAll(async () => {
    await site.close();
    await redis.stop();
    await model.close();
  });

  test('messages are accepted in order, and answered in order when it is back', async () => {
    await redis.kill();
    for (const [at, text] of ['One.', 'Two.', 'Three.'].entries()) {
      const said = await site.ask('POST', '/api/conversations/away/messages', { ...MESSAGE, text });
      expect(said).toMatchObject({ status: 202, body: { sequence: at + 1, position: at + 1 } });
    }
    expect((await site.ask('GET', '/api/conversations/away')).body).toMatchObject({ state: 'queued' });
    await redis.restart();
    const { messages } = await eventually(
      async () => (await site.ask('GET', '/api/conversations/away')).body,
      ({ state }) => state === 'idle',
      25_000,
    );
    const asked = messages.slice(0, 3).map(({ id }: { id: string }) => id);
    expect(messages.slice(3).map(({ inReplyTo }: { inReplyTo: string }) => inReplyTo)).toEqual(asked);
  });

  test('the demo talks, shows what comes, and counts the tokens', async () => {
    model.behave(answerWith(['Dear ', 'friend, thank you.']));
    const shown = await played(site);
    expect(shown).toMatch(/ada \(place 1\): Good morning/);
    expect(shown.match(/stored: Dear friend, thank you\./g)).toHaveLength(3);
    expect(shown).toMatch(/tokens of ada today: \d+ read, \d+ written/);
    expect(shown).toContain(`http://127.0.0.1:${site.port}/api/conversations/demo-`);
  });
});
