/** Mail through the whole service: HTTP, worker, a real mail server or the local inbox, and the page that shows it. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ApiKeys } from '../../src/access/api-keys.ts';
import { Deliveries } from '../../src/mail/deliveries.ts';
import { type MailServer, refusal, startMailServer, type TakenMail } from '../support/mail-server.ts';
import { headerOf, readMail } from '../support/mail-text.ts';
import { eventually, freePort } from '../support/millrace-process.ts';
import { openWebSite, type WebSite } from '../support/web-site.ts';

const JOBS = join(import.meta.dirname, '../../jobs');
const LOGIN = { authorization: `Basic ${Buffer.from('admin:correct horse').toString('base64')}` };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-mail-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const open = (environment: Record<string, string>, clock = Date.now) =>
  openWebSite({
    jobsDir: JOBS,
    environment: { DATA_DIR: folder, BOARD_PASSWORD: 'correct horse', ...environment },
    clock,
  });

async function finished(site: WebSite, job: string, payload: object, more: object = {}) {
  const { status, body } = await site.ask('POST', '/v1/jobs', { job, payload, ...more });
  expect(status, JSON.stringify(body)).toBe(202);
  const { body: view } = await site.ask('GET', `/v1/jobs/${body.id}?wait=20`);
  return view;
}

describe('with a mail server', () => {
  let site: WebSite;
  let server: MailServer;
  let onData: (mail: TakenMail) => void | Promise<void> = () => {};
  let onRecipient: (address: string) => void = () => {};
  /** What the web process's clock says; the time unless set. */
  let nowMs: number | undefined;

  beforeAll(async () => {
    server = await startMailServer({ data: (mail) => onData(mail), recipient: (address) => onRecipient(address) });
    const environment = {
      SMTP_URL: server.url,
      MAIL_FROM: 'The Mill <mill@example.com>',
      PASSWORD_RESET_URL: 'https://app.example/new',
      PUBLIC_URL: 'https://mill.example',
    };
    site = await open(environment, () => nowMs ?? Date.now());
  });
  beforeEach(() => {
    server.mails.length = 0;
    onData = () => {};
    onRecipient = () => {};
    nowMs = undefined;
  });
  afterAll(async () => {
    await site?.close();
    await server?.close();
  });

  it('a welcome mail arrives', async () => {
    const view = await finished(site, 'email.send-welcome', { to: 'ada@example.org', name: 'Ada & Co' });
    expect(view).toMatchObject({ state: 'completed', result: { sent: 1, suppressed: [], rejected: [] } });
    expect(server.mails).toMatchObject([{ from: 'mill@example.com', to: ['ada@example.org'] }]);
    const mail = readMail(server.mails[0]?.raw ?? '');
    expect(headerOf(mail, 'Subject')).toBe('Welcome, Ada & Co');
    expect(headerOf(mail, 'From')).toBe('The Mill <mill@example.com>');
    expect(headerOf(mail, 'Message-ID')).toBe(view.result.messageId);
    expect(headerOf(mail, 'List-Unsubscribe')).toMatch(/^<https:\/\/mill\.example\/v1\/mail\/unsubscribe\?token=/);
    expect(mail.parts.get('text/html')).toContain('Welcome, Ada &amp; Co');
  });

  it('a notification goes to 50 people, one mail each', async () => {
    const to = Array.from({ length: 50 }, (_, n) => `a${n}@example.org`);
    const view = await finished(site, 'email.send-notification', { to, title: 'News', message: 'It happened.' });
    expect(view).toMatchObject({ state: 'completed', result: { sent: 50 } });
    expect(server.mails.map((mail) => mail.to)).toEqual(to.map((address) => [address]));
    expect(new Set(server.mails.map(({ raw }) => headerOf(readMail(raw), 'Message-ID'))).size).toBe(1);
  });

  it('a refusal for now is tried again under the same Message-ID', async () => {
    const seen: string[] = [];
    onData = ({ raw }) => {
      seen.push(headerOf(readMail(raw), 'Message-ID'));
      if (seen.length === 1) throw refusal(451, '4.3.0 come back');
    };
    const { body } = await site.ask('POST', '/v1/jobs', {
      job: 'email.send-welcome',
      payload: { to: 'bo@example.org', name: 'Bo' },
    });
    const view = await eventually(
      async () => (await site.ask('GET', `/v1/jobs/${body.id}`)).body,
      ({ state }) => state === 'completed' || state === 'dead',
      20_000,
    );
    expect(view).toMatchObject({ state: 'completed', attempts: { made: 2 } });
    expect(seen[1]).toBe(seen[0]);
  });

  it('a refused address is dead at once, and is not written to again until somebody says so', async () => {
    onRecipient = () => {
      throw refusal(550, '5.1.1 nobody here');
    };
    const payload = { to: 'gone@example.org', name: 'Gone' };
    const dead = await finished(site, 'email.send-welcome', payload);
    expect(dead).toMatchObject({ state: 'dead', attempts: { made: 1 }, error: { code: 'mail-rejected' } });
    onRecipient = () => {};
    expect(await finished(site, 'email.send-welcome', payload)).toMatchObject({
      result: { sent: 0, suppressed: ['gone@example.org'] },
    });
    const listed = await site.ask('GET', '/v1/mail/suppressions');
    expect(listed.body.suppressions).toMatchObject([{ address: 'gone@example.org', reason: 'bounced' }]);
    expect((await site.ask('DELETE', '/v1/mail/suppressions/gone@example.org')).status).toBe(204);
    expect((await site.ask('DELETE', '/v1/mail/suppressions/gone@example.org')).status).toBe(404);
    expect(await finished(site, 'email.send-welcome', payload)).toMatchObject({ result: { sent: 1 } });
  });

  it('the page lists what was sent, without the bodies', async () => {
    await finished(site, 'email.send-welcome', { to: 'eve@example.org', name: 'Eve' });
    const list = await site.ask('GET', '/admin/mail', undefined, LOGIN);
    expect(list.text).toContain('eve@example.org');
    const id = /\/admin\/mail\/(\d+)/.exec(list.text)?.[1];
    const one = await site.ask('GET', `/admin/mail/${id}`, undefined, LOGIN);
    expect(one.text).toContain('The mail server has the mail itself.');
    expect((await site.ask('GET', `/admin/mail/${id}/raw`, undefined, LOGIN)).status).toBe(404);
  });

  it('the page shows no mail as under way whose job has long been gone', async () => {
    const deliveries = new Deliveries({
      database: site.web.services.database,
      clock: () => Date.now() - 2 * 86_400_000,
    });
    const mail = { tenant: 'default', jobId: 'email_gone', messageId: '<email_gone@example.com>', template: 'welcome' };
    const recipients = [{ address: 'lost@example.org', suppressed: false }];
    const made = { ...mail, sender: 'mill@example.com', subject: 'Hello', recipients };
    const [row] = (await deliveries.open(made, 100)) ?? [];
    await deliveries.sending(row?.id ?? '');
    const listed = async (state: string) =>
      (await site.ask('GET', `/admin/mail?state=${state}`, undefined, LOGIN)).text.includes('lost@example.org');
    expect([await listed('sending'), await listed('unknown')]).toEqual([true, false]);
    expect(await finished(site, 'email.settle-deliveries', {})).toMatchObject({ result: { failed: 0, unknown: 1 } });
    expect([await listed('sending'), await listed('unknown')]).toEqual([false, true]);
    const one = await site.ask('GET', `/admin/mail/${row?.id}`, undefined, LOGIN);
    expect(one.text).toContain('mail-unknown');
    expect(one.text).toContain('The job ended before the answer came');
  });

  describe('a password reset', () => {
    const ask = (email: string) => site.ask('POST', '/v1/password-resets', { email });
    const mailed = async () => {
      const mails = await eventually(
        async () => server.mails,
        ({ length }) => length > 0,
        10_000,
      );
      return readMail(mails[0]?.raw ?? '').parts.get('text/plain') ?? '';
    };

    it('is answered the same for every address, and its token works once', async () => {
      const answer = await ask('Reset@example.org');
      expect([answer.status, answer.text]).toEqual([202, '{"status":"accepted"}']);
      const [, token = ''] = /https:\/\/app\.example\/new\?token=(\S+)/.exec(await mailed()) ?? [];
      expect(token).toHaveLength(43);
      const use = () => site.ask('POST', '/v1/password-resets/consume', { token });
      expect(await use()).toMatchObject({ status: 200, body: { email: 'reset@example.org' } });
      expect(await use()).toMatchObject({ status: 410, body: { code: 'reset-token-gone' } });
    });

    it('leaves its token nowhere in Redis', async () => {
      await ask('hidden@example.org');
      const [, token = ''] = /token=(\S+)/.exec(await mailed()) ?? [];
      const redis = new Redis(site.world.config.REDIS_URL);
      try {
        const seen: string[] = [];
        for (const key of await redis.keys('*')) {
          seen.push(key, ...(await allOf(redis, key)));
        }
        expect(seen.length).toBeGreaterThan(20);
        expect(seen.filter((text) => text.includes(token))).toEqual([]);
      } finally {
        redis.disconnect();
      }
    });

    it('is one mail for each minute in which it is asked for', async () => {
      const to = 'twice@example.org';
      /** Mails to it, once all that was asked for is done. */
      const mails = async () => {
        await finished(site, 'email.send-welcome', { to: 'after@example.org', name: 'After' });
        await eventually(
          () => site.web.services.inspector.queue('email'),
          ({ counts: { waiting, active } }) => waiting + active === 0,
          10_000,
        );
        return server.mails.filter((mail) => mail.to[0] === to).length;
      };
      nowMs = Date.parse('2030-05-06T12:00:00.000Z');
      const answers = await Promise.all([1, 2, 3].map(() => ask(to)));
      expect(answers.map(({ status }) => status)).toEqual([202, 202, 202]);
      expect(await mails()).toBe(1);
      nowMs = Date.parse('2030-05-06T12:00:59.999Z');
      await ask(to);
      expect(await mails()).toBe(1);
      nowMs += 1;
      await ask(to);
      expect(await mails()).toBe(2);
    });

    it('has no unsubscribe link', async () => {
      await ask('plain@example.org');
      await mailed();
      expect(readMail(server.mails[0]?.raw ?? '').headers.has('list-unsubscribe')).toBe(false);
    });
  });

  describe('an unsubscribe link', () => {
    const linkOf = async (to: string) => {
      await finished(site, 'email.send-welcome', { to, name: 'Somebody' });
      const link = headerOf(readMail(server.mails[0]?.raw ?? ''), 'List-Unsubscribe').slice(1, -1);
      return new URL(link).pathname + new URL(link).search;
    };

    it('shows a page that changes nothing, and one click that does', async () => {
      const path = await linkOf('leaver@example.org');
      const looked = await site.ask('GET', path);
      expect(looked.status).toBe(200);
      expect(looked.headers.get('content-security-policy')).toContain("form-action 'self'");
      expect(looked.text).toContain('leaver@example.org');
      const payload = { to: 'leaver@example.org', name: 'L' };
      expect(await finished(site, 'email.send-welcome', payload)).toMatchObject({ result: { sent: 1 } });
      const clicked = await fetch(`http://127.0.0.1:${site.port}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: 'List-Unsubscribe=One-Click',
      });
      expect(clicked.status).toBe(200);
      expect(await finished(site, 'email.send-welcome', payload)).toMatchObject({ result: { sent: 0 } });
    });

    it('that we did not make is nothing', async () => {
      for (const token of ['', 'x', 'a.b', `YQ.${'A'.repeat(43)}`]) {
        for (const method of ['GET', 'POST']) {
          expect((await site.ask(method, `/v1/mail/unsubscribe?token=${token}`)).status).toBe(404);
        }
      }
    });
  });

  it.each([
    ['two addresses', 'email.send-welcome', { to: 'a@x.com, b@y.com', name: 'A' }],
    ['a line break in the address', 'email.send-welcome', { to: 'a@x.com\r\nBcc: b@y.com', name: 'A' }],
    ['a line break in the name', 'email.send-welcome', { to: 'a@x.com', name: 'A\r\nBcc: b@y.com' }],
    [
      'attachments',
      'email.send-notification',
      { to: ['a@x.com'], title: 'T', message: 'M', attachments: [{ path: '/etc/passwd' }] },
    ],
    ['a template', 'email.send-notification', { to: ['a@x.com'], title: 'T', message: 'M', html: '{{x}}' }],
    ['a header', 'email.send-notification', { to: ['a@x.com'], title: 'T', message: 'M', headers: { Bcc: 'b@y.com' } }],
    [
      '51 recipients',
      'email.send-notification',
      { to: Array.from({ length: 51 }, (_, n) => `a${n}@x.com`), title: 'T', message: 'M' },
    ],
    ['an address that is an object', 'email.send-welcome', { to: { address: 'a@x.com' }, name: 'A' }],
    ['no address', 'email.send-welcome', { name: 'A' }],
    ['another sender’s line', 'email.send-welcome', { to: 'a@x.com', name: 'A', from: 'x <a@x.com>' }],
  ])('%s is refused at the door', async (_what, job, payload) => {
    const { status, body } = await site.ask('POST', '/v1/jobs', { job, payload });
    expect([status, body.code]).toEqual([422, 'invalid-input']);
  });

  it('an address that nobody verified is no sender', async () => {
    const payload = { to: 'ada@example.org', name: 'Ada', from: 'boss@bank.example' };
    expect(await finished(site, 'email.send-welcome', payload)).toMatchObject({
      state: 'dead',
      error: { code: 'sender-not-verified' },
    });
    const added = await site.ask('POST', '/v1/mail/senders', { address: 'boss@bank.example', name: 'The Boss' });
    expect(added).toMatchObject({ status: 201, body: { tenant: 'default', address: 'boss@bank.example' } });
    expect(await finished(site, 'email.send-welcome', payload)).toMatchObject({ result: { sent: 1 } });
    expect(headerOf(readMail(server.mails[0]?.raw ?? ''), 'From')).toBe('The Boss <boss@bank.example>');
    expect((await site.ask('GET', '/v1/mail/senders')).body.senders).toHaveLength(2);
    expect((await site.ask('DELETE', '/v1/mail/senders/boss@bank.example')).status).toBe(204);
    expect((await site.ask('DELETE', '/v1/mail/senders/boss@bank.example')).status).toBe(404);
    expect((await site.ask('POST', '/v1/mail/senders', { address: 'a@x.com', name: 'x\r\ny' })).status).toBe(422);
  });

  it('old mail is forgotten by its cleanup job', async () => {
    const view = await finished(site, 'cleanup.remove-expired-mail', { dryRun: true });
    expect(view).toMatchObject({ state: 'completed', result: { removed: 0, bytes: 0, dryRun: true } });
  });
});

/** Everything a key holds, as texts. */
async function allOf(redis: Redis, key: string): Promise<string[]> {
  switch (await redis.type(key)) {
    case 'hash':
      return Object.entries(await redis.hgetall(key)).flat();
    case 'string':
      return [(await redis.get(key)) ?? ''];
    case 'list':
      return redis.lrange(key, 0, -1);
    case 'set':
      return redis.smembers(key);
    case 'zset':
      return redis.zrange(key, '0', '-1');
    case 'stream':
      return (await redis.xrange(key, '-', '+')).flat(2).map(String);
    default:
      return [];
  }
}

describe('while the mail server is away', () => {
  let site: WebSite;
  beforeAll(async () => {
    const port = await freePort();
    site = await open({ SMTP_URL: `smtp://127.0.0.1:${port}`, MAIL_FROM: 'mill@example.com' });
  });
  afterAll(() => site?.close());

  it('a mail waits for it and spends no attempt', async () => {
    const payload = { to: 'ada@example.org', name: 'Ada' };
    const { body } = await site.ask('POST', '/v1/jobs', { job: 'email.send-welcome', payload });
    const [row] = await eventually(
      () => site.web.services.deliveries.ofJob(body.id),
      (rows) => rows.some(({ answer }) => answer !== null),
      10_000,
    );
    expect(row).toMatchObject({ state: 'waiting', tries: 1, answer: expect.stringContaining('ECONNREFUSED') });
    const view = await eventually(
      async () => (await site.ask('GET', `/v1/jobs/${body.id}`)).body,
      ({ state }) => state === 'delayed' || state === 'scheduled' || state === 'retrying',
      10_000,
    );
    expect(view.attempts.made).toBe(0);
  });
});

describe('without a mail server', () => {
  let site: WebSite;
  beforeAll(async () => {
    site = await open({});
  });
  afterAll(() => site?.close());

  it('mail is in the inbox and on the page, and is shown without power', async () => {
    const message = '<script>alert(1)</script>';
    await finished(site, 'email.send-notification', { to: ['ada@example.org'], title: '<b>News</b>', message });
    const list = await site.ask('GET', '/admin/mail?state=sent', undefined, LOGIN);
    expect(list.text).toContain('&lt;b&gt;News&lt;/b&gt;');
    const id = /\/admin\/mail\/(\d+)/.exec(list.text)?.[1];
    const one = await site.ask('GET', `/admin/mail/${id}`, undefined, LOGIN);
    expect(one.text).toContain(`src="/admin/mail/${id}/html" sandbox=""`);
    expect(one.text).not.toContain('<script');
    const shown = await site.ask('GET', `/admin/mail/${id}/html`, undefined, LOGIN);
    expect(shown.headers.get('content-security-policy')).toMatch(/^sandbox; default-src 'none'/);
    expect(shown.text).toContain('&lt;script&gt;');
    const raw = await site.ask('GET', `/admin/mail/${id}/raw`, undefined, LOGIN);
    expect(raw.headers.get('content-type')).toContain('message/rfc822');
    expect(raw.headers.get('content-disposition')).toBe(`attachment; filename=mail-${id}.eml`);
    expect(headerOf(readMail(raw.text), 'To')).toBe('ada@example.org');
  });

  it('the page is for the login alone, and knows no other paths', async () => {
    for (const path of ['/admin/mail', '/admin/mail/1', '/admin/mail/1/raw', '/admin/mail/mail.css']) {
      expect((await site.ask('GET', path)).status).toBe(401);
    }
    for (const path of ['0', '999999', 'x', '..%2fsecret', '1/other', '99999999999999999999']) {
      expect((await site.ask('GET', `/admin/mail/${path}`, undefined, LOGIN)).status).toBe(404);
    }
    const odd = await site.ask('GET', '/admin/mail?state=x&before=abc&state=y', undefined, LOGIN);
    expect(odd.status).toBe(200);
    expect((await site.ask('POST', '/admin/mail', {}, LOGIN)).status).toBe(404);
  });

  it('the page leafs through many mails', async () => {
    const to = Array.from({ length: 50 }, (_, n) => `leaf${n}@example.org`);
    for (const title of ['One', 'Two']) await finished(site, 'email.send-notification', { to, title, message: 'M' });
    const seen: string[] = [];
    let path: string | undefined = '/admin/mail';
    while (path !== undefined) {
      const { text } = await site.ask('GET', path, undefined, LOGIN);
      const ids = [...text.matchAll(/\/admin\/mail\/(\d+)"/g)].map(([, id = '']) => id);
      expect(ids.length).toBeGreaterThan(0);
      seen.push(...ids);
      path = /href="(\/admin\/mail\?before=\d+)">Older/.exec(text)?.[1];
    }
    expect(seen.length).toBeGreaterThanOrEqual(101);
    expect(seen.map(Number)).toEqual(seen.map(Number).sort((a, b) => b - a));
    expect(new Set(seen).size).toBe(seen.length);
  });

  it('templates can be looked at', async () => {
    const list = await site.ask('GET', '/v1/mail/templates');
    expect(list.body.templates.map(({ name }: { name: string }) => name)).toEqual([
      'welcome',
      'password-reset',
      'notification',
    ]);
    const shown = await site.ask('GET', '/v1/mail/templates/welcome');
    expect(shown.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(shown.headers.get('content-security-policy')).toMatch(/^sandbox; [^,]*$/);
    expect(shown.text).toContain('Welcome, Ada');
    expect((await site.ask('GET', '/v1/mail/templates/welcome?part=subject')).text).toBe('Welcome, Ada');
    expect((await site.ask('GET', '/v1/mail/templates/constructor')).status).toBe(404);
    expect((await site.ask('GET', '/v1/mail/templates/..%2f..%2fpackage')).status).toBe(422);
  });
});

describe('in production, with API keys', () => {
  let site: WebSite;
  const keys: Record<string, string> = {};
  beforeAll(async () => {
    site = await open({ NODE_ENV: 'production', AUTH: 'on', HOST: '127.0.0.1', JOURNAL_DIR: join(folder, 'journal') });
    const apiKeys = new ApiKeys({ database: site.web.services.database });
    for (const [name, operator] of [
      ['operator', true],
      ['tenant', false],
    ] as const) {
      keys[name] = (await apiKeys.create({ tenant: name, label: name, operator })).key;
    }
  });
  afterAll(() => site?.close());

  const ask = (who: string, method: string, path: string, body?: unknown) =>
    site.ask(method, path, body, { authorization: `Bearer ${keys[who]}` });

  it('templates are not shown', async () => {
    expect((await ask('operator', 'GET', '/v1/mail/templates')).status).toBe(404);
    expect((await ask('operator', 'GET', '/v1/mail/templates/welcome')).status).toBe(404);
  });

  it('only an operator makes senders, for any tenant', async () => {
    const sender = { address: 'hello@tenant.example', name: 'Tenant' };
    expect((await ask('tenant', 'POST', '/v1/mail/senders', sender)).status).toBe(403);
    expect((await ask('tenant', 'DELETE', '/v1/mail/senders/hello@tenant.example')).status).toBe(403);
    expect((await ask('operator', 'POST', '/v1/mail/senders', { ...sender, tenant: 'tenant' })).status).toBe(201);
    expect((await ask('tenant', 'GET', '/v1/mail/senders')).body.senders).toMatchObject([sender]);
    expect((await ask('operator', 'GET', '/v1/mail/senders')).body.senders).toEqual([]);
    const removed = await ask('operator', 'DELETE', '/v1/mail/senders/hello@tenant.example?tenant=tenant');
    expect(removed.status).toBe(204);
  });

  it('nobody asks for a reset without a key', async () => {
    expect((await site.ask('POST', '/v1/password-resets', { email: 'a@x.com' })).status).toBe(401);
    expect((await site.ask('POST', '/v1/password-resets/consume', { token: 'x' })).status).toBe(401);
  });

  it('links need MAIL_SECRET, and the mail says so', async () => {
    await ask('operator', 'POST', '/v1/mail/senders', { address: 'hello@tenant.example', tenant: 'tenant' });
    const { body } = await ask('tenant', 'POST', '/v1/jobs', {
      job: 'email.send-welcome',
      payload: { to: 'ada@example.org', name: 'Ada' },
    });
    const { body: view } = await ask('tenant', 'GET', `/v1/jobs/${body.id}?wait=20`);
    expect(view).toMatchObject({ state: 'dead', error: { code: 'not-configured' } });
  });
});
