/** Sending the mail of a job, on a real ledger and with a mailer that answers as the test says. */

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { KeptKey } from '../../src/access/kept-key.ts';
import { LinkKeys } from '../../src/access/link-keys.ts';
import { connectDatabase, type Database } from '../../src/database/connection.ts';
import { Snooze } from '../../src/errors.ts';
import { Deliveries } from '../../src/mail/deliveries.ts';
import { Mailing, type MailingOptions, type MailRequest } from '../../src/mail/mailing.ts';
import { Senders } from '../../src/mail/senders.ts';
import { Suppressions } from '../../src/mail/suppressions.ts';
import { Templates } from '../../src/mail/templates.ts';
import { UnsubscribeLinks } from '../../src/mail/unsubscribe.ts';
import { MailUpkeep } from '../../src/mail/upkeep.ts';
import { Inbox } from '../../src/providers/inbox.ts';
import type { MailMessage, SendOutcome } from '../../src/providers/mailer.ts';
import { RecordingMailer } from '../../src/providers/recording-mailer.ts';
import { latch } from '../support/latch.ts';
import { freePort } from '../support/millrace-process.ts';
import { createWorld, type World } from '../support/world.ts';

const NOON = Date.parse('2030-05-06T12:00:00Z');
const DAY_MS = 86_400_000;
const NO_JOBS = { job: () => Promise.reject(new Error('Nobody asks.')) };

let world: World;
let database: Database;
let serial = 0;

beforeAll(async () => {
  world = await createWorld();
  const { DATABASE_URL: url, DATABASE_SCHEMA: schema } = world.config;
  database = connectDatabase({ url, schema, poolSize: 5, name: 'test' });
});
afterEach(() => {
  answer = () => ({ kind: 'accepted', answer: '250 fine' });
});
afterAll(async () => {
  await database.destroy();
  await world.close();
});

let answer: (message: MailMessage) => SendOutcome | Promise<SendOutcome> = () => ({
  kind: 'accepted',
  answer: '250 fine',
});

const NO_KEY = new KeptKey({ path: '/nowhere/key', variable: 'DATA_DIR' });

/** A tenant of its own, with one sender, and everything that mails. */
async function site(more: Partial<MailingOptions> = {}) {
  serial += 1;
  const tenant = `tenant-${serial}`;
  const clock = { nowMs: NOON };
  const deliveries = new Deliveries({ database, clock: () => clock.nowMs });
  const senders = new Senders({ database, standard: { name: 'Mill', address: 'mill@example.com' } });
  const suppressions = new Suppressions({ database });
  const keys = new LinkKeys({ secret: 'x'.repeat(32), kept: NO_KEY, production: true });
  const links = new UnsubscribeLinks({ keys, base: 'https://mill.example/' });
  const mailer = new RecordingMailer({ answer: (message) => answer(message) });
  const base = { deliveries, senders, suppressions, templates: new Templates(), links, mailer };
  const rules = { dailyCap: 100, atMostOnce: new Set<string>(), clock: () => clock.nowMs };
  const mailing = new Mailing({ ...base, ...rules, ...more });
  await senders.add(tenant, { name: 'Acme', address: 'hello@acme.example' });
  let jobs = 0;
  const request = (other: Partial<MailRequest<'notification'>> = {}): MailRequest<'notification'> => {
    jobs += 1;
    return {
      job: { id: `email_${serial}x${jobs}`, tenant, lastAttempt: false },
      template: 'notification',
      data: { title: 'News', message: 'It happened.' },
      to: ['ada@example.org'],
      signal: new AbortController().signal,
      ...other,
    };
  };
  return { ...base, mailing, request, tenant, clock, mails: mailer.mails };
}

const states = async (deliveries: Deliveries, jobId: string) =>
  (await deliveries.ofJob(jobId)).map(({ recipient, state, code }) => [recipient, state, code]);

const three = ['ada@example.org', 'bo@example.org', 'cy@example.org'];

describe('a mail job', () => {
  it('sends each recipient a mail of their own under one Message-ID', async () => {
    const { mailing, request, mails } = await site();
    const asked = request({ to: three });
    const id = `<${asked.job.id}@acme.example>`;
    expect(await mailing.send(asked)).toEqual({ messageId: id, sent: 3, suppressed: [], rejected: [] });
    expect(mails.map(({ message }) => message.to)).toEqual(three);
    for (const { message, raw } of mails) {
      expect(message.messageId).toBe(id);
      const others = three.filter((each) => each !== message.to);
      for (const other of others) expect(raw.toString()).not.toContain(other);
      expect(message.headers['List-Unsubscribe']).toMatch(/^<https:\/\/mill\.example\/v1\/mail\/unsubscribe\?token=/);
      expect(message.headers['List-Unsubscribe-Post']).toBe('List-Unsubscribe=One-Click');
    }
    expect(new Set(mails.map(({ message }) => message.headers['List-Unsubscribe'])).size).toBe(3);
  });

  it('has committed “sending” when the mail is handed over, and “sent” after the answer', async () => {
    const { mailing, request, deliveries } = await site();
    const asked = request();
    let during: unknown;
    answer = async () => {
      during = await states(deliveries, asked.job.id);
      return { kind: 'accepted', answer: '250' };
    };
    await mailing.send(asked);
    expect(during).toEqual([['ada@example.org', 'sending', null]]);
    expect(await states(deliveries, asked.job.id)).toEqual([['ada@example.org', 'sent', null]]);
  });

  it('does not write again to whom the mail was answered for', async () => {
    const { mailing, request, mails } = await site();
    const asked = request({ to: three });
    answer = ({ to }) =>
      to.startsWith('bo') ? { kind: 'later', answer: '451 grey', of: 'message' } : { kind: 'accepted', answer: '250' };
    await expect(mailing.send(asked)).rejects.toMatchObject({ code: 'mail-deferred' });
    answer = () => ({ kind: 'accepted', answer: '250' });
    expect(await mailing.send(asked)).toMatchObject({ sent: 3 });
    expect(await mailing.send(asked)).toMatchObject({ sent: 3 });
    expect(mails.map(({ message }) => message.to)).toEqual(['ada@example.org', 'cy@example.org', 'bo@example.org']);
  });

  it('that was handed over without an answer goes out again with the same Message-ID', async () => {
    const { mailing, request, mails, deliveries } = await site();
    const asked = request();
    answer = () => ({ kind: 'unknown', answer: 'the connection broke' });
    await expect(mailing.send(asked)).rejects.toMatchObject({ code: 'mail-deferred' });
    expect(await states(deliveries, asked.job.id)).toEqual([['ada@example.org', 'sending', null]]);
    answer = () => ({ kind: 'accepted', answer: '250' });
    expect(await mailing.send(asked)).toMatchObject({ sent: 1 });
    expect(new Set(mails.map(({ message }) => message.messageId)).size).toBe(1);
    expect(mails).toHaveLength(2);
  });

  it('in doubt ends as unknown when it was the last attempt', async () => {
    const { mailing, request, deliveries } = await site();
    const asked = request();
    answer = () => ({ kind: 'unknown', answer: 'the connection broke' });
    const last = { ...asked, job: { ...asked.job, lastAttempt: true } };
    await expect(mailing.send(last)).rejects.toMatchObject({ code: 'mail-unknown' });
    expect(await states(deliveries, asked.job.id)).toEqual([['ada@example.org', 'unknown', 'mail-unknown']]);
  });

  it.each([
    ['server', 'mail-server-away'],
    ['session', 'mail-deferred'],
  ] as const)('stops at the first recipient when the %s is the trouble', async (of, code) => {
    const { mailing, request, mails } = await site();
    let asks = 0;
    answer = () => {
      asks += 1;
      return { kind: 'later', answer: 'ECONNREFUSED', of };
    };
    await expect(mailing.send(request({ to: three }))).rejects.toMatchObject({ code });
    expect(asks).toBe(1);
    expect(mails).toEqual([]);
  });

  it('that was frozen in the middle changes nothing that a later try has written', async () => {
    const { mailing, request, deliveries } = await site();
    const asked = request();
    const thawed = latch();
    const frozen = latch();
    answer = async () => {
      frozen.open();
      await thawed.opened;
      return { kind: 'unknown', answer: 'the connection broke long ago' };
    };
    const first = mailing.send(asked).catch((error: unknown) => error);
    await frozen.opened;
    answer = () => ({ kind: 'accepted', answer: '250' });
    expect(await mailing.send(asked)).toMatchObject({ sent: 1 });
    thawed.open();
    expect(await first).toMatchObject({ sent: 1 });
    expect(await states(deliveries, asked.job.id)).toEqual([['ada@example.org', 'sent', null]]);
  });

  it('that is given up is tried again when somebody lets the dead job run', async () => {
    const { mailing, request, deliveries } = await site();
    const asked = request();
    answer = () => ({ kind: 'later', answer: '451', of: 'message' });
    const last = { ...asked, job: { ...asked.job, lastAttempt: true } };
    await expect(mailing.send(last)).rejects.toMatchObject({ code: 'mail-deferred' });
    expect(await states(deliveries, asked.job.id)).toEqual([['ada@example.org', 'failed', 'mail-deferred']]);
    answer = () => ({ kind: 'accepted', answer: '250' });
    expect(await mailing.send(asked)).toMatchObject({ sent: 1 });
  });

  it('refuses data that the template does not take before anything is counted', async () => {
    const { mailing, request, deliveries } = await site();
    const asked = request({ data: { title: 'a\r\nBcc: b@y.com', message: 'x' } });
    await expect(mailing.send(asked)).rejects.toMatchObject({ code: 'payload-invalid' });
    expect(await deliveries.ofJob(asked.job.id)).toEqual([]);
  });
});

describe('a template that is at-most-once', () => {
  const atMostOnce = new Set(['notification']);

  it('is not sent again when the answer did not come', async () => {
    const { mailing, request, mails, deliveries } = await site({ atMostOnce });
    const asked = request({ to: three });
    answer = ({ to }) =>
      to.startsWith('bo') ? { kind: 'unknown', answer: 'the connection broke' } : { kind: 'accepted', answer: '250' };
    await expect(mailing.send(asked)).rejects.toMatchObject({ code: 'mail-unknown' });
    await expect(mailing.send(asked)).rejects.toMatchObject({ code: 'mail-unknown' });
    expect(mails).toHaveLength(3);
    expect((await states(deliveries, asked.job.id)).map(([, state]) => state)).toEqual(['sent', 'unknown', 'sent']);
  });

  it('is not sent again when the attempt before was killed', async () => {
    const { mailing, request, mails, deliveries } = await site({ atMostOnce });
    const asked = request();
    answer = () => Promise.reject(new Error('killed here'));
    await expect(mailing.send(asked)).rejects.toThrow('killed here');
    answer = () => ({ kind: 'accepted', answer: '250' });
    await expect(mailing.send(asked)).rejects.toMatchObject({ code: 'mail-unknown' });
    expect(mails).toEqual([]);
    expect(await states(deliveries, asked.job.id)).toEqual([['ada@example.org', 'unknown', 'mail-unknown']]);
  });

  it('is sent again after a refusal for now', async () => {
    const { mailing, request, mails } = await site({ atMostOnce });
    const asked = request();
    answer = () => ({ kind: 'later', answer: '451', of: 'message' });
    await expect(mailing.send(asked)).rejects.toMatchObject({ code: 'mail-deferred' });
    answer = () => ({ kind: 'accepted', answer: '250' });
    expect(await mailing.send(asked)).toMatchObject({ sent: 1 });
    expect(mails).toHaveLength(1);
  });
});

describe('the suppression list', () => {
  it('takes a refused address, which is then not written to', async () => {
    const { mailing, request, mails, suppressions, tenant } = await site();
    answer = () => ({ kind: 'rejected', answer: '550 5.1.1 nobody', recipient: true });
    await expect(mailing.send(request())).rejects.toMatchObject({ code: 'mail-rejected' });
    answer = () => ({ kind: 'accepted', answer: '250' });
    expect(await mailing.send(request({ to: ['ADA@Example.org', 'bo@example.org'] }))).toMatchObject({
      sent: 1,
      suppressed: ['ADA@Example.org'],
    });
    expect(mails.map(({ message }) => message.to)).toEqual(['bo@example.org']);
    expect(await suppressions.list(tenant)).toMatchObject([{ address: 'ada@example.org', reason: 'bounced' }]);
  });

  it('does not take the address when the mail was refused', async () => {
    const { mailing, request, suppressions, tenant } = await site();
    answer = () => ({ kind: 'rejected', answer: '554 spam', recipient: false });
    await expect(mailing.send(request())).rejects.toMatchObject({ code: 'mail-rejected' });
    expect(await suppressions.list(tenant)).toEqual([]);
  });

  it('lets the others have their mail when one is refused', async () => {
    const { mailing, request } = await site();
    answer = ({ to }) =>
      to.startsWith('bo')
        ? { kind: 'rejected', answer: '550 5.1.1 nobody', recipient: true }
        : { kind: 'accepted', answer: '250' };
    expect(await mailing.send(request({ to: three }))).toMatchObject({ sent: 2, rejected: ['bo@example.org'] });
  });

  it('holds back what can be unsubscribed from by a wish, and everything by a bounce', async () => {
    const { mailing, request, suppressions, tenant } = await site();
    const reset = () =>
      mailing.send({ ...request(), template: 'password-reset', data: { token: 't', link: null, minutes: 30 } });
    await suppressions.add(tenant, 'ada@example.org', 'unsubscribed');
    expect(await mailing.send(request())).toMatchObject({ sent: 0, suppressed: ['ada@example.org'] });
    expect(await reset()).toMatchObject({ sent: 1 });
    await suppressions.add(tenant, 'ada@example.org', 'bounced');
    await suppressions.add(tenant, 'ada@example.org', 'unsubscribed');
    expect(await reset()).toMatchObject({ sent: 0 });
    expect(await suppressions.remove(tenant, 'Ada@example.org')).toBe(true);
    expect(await suppressions.remove(tenant, 'Ada@example.org')).toBe(false);
    expect(await mailing.send(request())).toMatchObject({ sent: 1 });
  });

  it('is the tenant’s own', async () => {
    const one = await site();
    const other = await site();
    await one.suppressions.add(one.tenant, 'ada@example.org', 'unsubscribed');
    expect(await other.mailing.send(other.request())).toMatchObject({ sent: 1 });
  });

  it('is looked at before each mail, not once for a job', async () => {
    const { mailing, request, suppressions, tenant } = await site();
    answer = async () => {
      await suppressions.add(tenant, 'cy@example.org', 'unsubscribed');
      return { kind: 'accepted', answer: '250' };
    };
    expect(await mailing.send(request({ to: three }))).toMatchObject({ sent: 2, suppressed: ['cy@example.org'] });
  });
});

describe('the sender', () => {
  it('is the tenant’s first, or the one that was asked for', async () => {
    const { mailing, request, mails, senders, tenant } = await site();
    await senders.add(tenant, { name: 'News', address: 'News@acme.example' });
    await mailing.send(request());
    await mailing.send(request({ from: 'news@ACME.example' }));
    expect(mails.map(({ message }) => message.from)).toEqual([
      { name: 'Acme', address: 'hello@acme.example' },
      { name: 'News', address: 'news@acme.example' },
    ]);
  });

  it('is refused when nobody verified it, also when it is somebody else’s', async () => {
    const { mailing, request, mails } = await site();
    for (const from of ['boss@acme.example', 'mill@example.com']) {
      await expect(mailing.send(request({ from }))).rejects.toMatchObject({ code: 'sender-not-verified' });
    }
    expect(mails).toEqual([]);
  });

  it('of the default tenant is MAIL_FROM', async () => {
    const { mailing, request, mails } = await site();
    const asked = request();
    await mailing.send({ ...asked, job: { ...asked.job, tenant: 'default' } });
    expect(mails[0]?.message.from).toEqual({ name: 'Mill', address: 'mill@example.com' });
  });

  it('may be taken away, and then nothing is sent', async () => {
    const { mailing, request, senders, tenant } = await site();
    expect(await senders.remove(tenant, 'Hello@acme.example')).toBe(true);
    expect(await senders.remove(tenant, 'hello@acme.example')).toBe(false);
    await expect(mailing.send(request())).rejects.toMatchObject({ code: 'sender-not-verified' });
  });
});

describe('the daily cap', () => {
  it('counts a job once, whatever becomes of it', async () => {
    const { mailing, request } = await site({ dailyCap: 2 });
    const asked = request();
    answer = () => ({ kind: 'later', answer: '451', of: 'message' });
    for (const _try of [1, 2, 3]) await expect(mailing.send(asked)).rejects.toMatchObject({ code: 'mail-deferred' });
    answer = () => ({ kind: 'accepted', answer: '250' });
    await mailing.send(asked);
    expect(await mailing.send(request())).toMatchObject({ sent: 1 });
    await expect(mailing.send(request())).rejects.toBeInstanceOf(Snooze);
  });

  it('lets a mail wait until the next day in UTC, which then goes', async () => {
    const { mailing, request, clock } = await site({ dailyCap: 1 });
    await mailing.send(request());
    const asked = request();
    const snooze: unknown = await mailing.send(asked).catch((error: unknown) => error);
    if (!(snooze instanceof Snooze)) throw new Error('it was not put off');
    const dueMs = clock.nowMs + snooze.delayMs;
    expect(new Date(dueMs).toISOString().slice(0, 13)).toBe('2030-05-07T00');
    clock.nowMs = dueMs;
    expect(await mailing.send(asked)).toMatchObject({ sent: 1 });
  });

  it('refuses what no day has room for, and a reset that would come too late', async () => {
    const { mailing, request } = await site({ dailyCap: 2 });
    await expect(mailing.send(request({ to: three }))).rejects.toMatchObject({ code: 'mail-cap-reached' });
    await mailing.send(request({ to: three.slice(1) }));
    const reset = { ...request(), template: 'password-reset' as const, data: { token: 't', link: null, minutes: 30 } };
    await expect(mailing.send(reset)).rejects.toMatchObject({ code: 'mail-cap-reached' });
  });

  it('holds when many jobs come at once, and each is counted once', async () => {
    const { mailing, request, mails } = await site({ dailyCap: 5 });
    const same = request();
    const all = [same, same, ...Array.from({ length: 8 }, () => request())];
    const results = await Promise.allSettled(all.map((each) => mailing.send(each)));
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(
      4 + (results[0]?.status === 'rejected' ? 1 : 0),
    );
    expect(new Set(mails.map(({ message }) => message.messageId)).size).toBe(5);
  });

  it('is each tenant’s own', async () => {
    const one = await site({ dailyCap: 1 });
    const other = await site({ dailyCap: 1 });
    await one.mailing.send(one.request());
    expect(await other.mailing.send(other.request())).toMatchObject({ sent: 1 });
  });
});

describe('while PostgreSQL is away', () => {
  it('nothing is sent, and no attempt is spent', async () => {
    const url = `postgres://nobody@127.0.0.1:${await freePort()}/nothing`;
    const away = connectDatabase({ url, schema: 'public', poolSize: 2, name: 'test' });
    try {
      const deliveries = new Deliveries({ database: away });
      const { mailing, request, mails } = await site({ deliveries });
      const error: unknown = await mailing.send(request()).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'store-unavailable', retry: 'later' });
      expect(mails).toEqual([]);
    } finally {
      await away.destroy();
    }
  });
});

describe('an unsubscribe link', () => {
  it('tells whom it was mailed to, and nobody can make another', async () => {
    const { links, tenant } = await site();
    const url = await links.make({ tenant, address: 'ada@example.org' });
    const token = new URL(url).searchParams.get('token') ?? '';
    expect(await links.read(token)).toEqual({ tenant, address: 'ada@example.org' });
    const [who = '', signature = ''] = token.split('.');
    const forged = Buffer.from(`${tenant} eve@example.org`).toString('base64url');
    const wrong = [
      '',
      'x',
      '.',
      `${who}.`,
      `.${signature}`,
      `${forged}.${signature}`,
      `${token}x`,
      `${who}.${'A'.repeat(43)}`,
    ];
    for (const each of wrong) await expect(links.read(each)).rejects.toMatchObject({ code: 'not-found' });
  });
});

describe('what was mailed', () => {
  it('is counted by the day on which it ended, by tenant', async () => {
    const { mailing, request, deliveries, clock, tenant } = await site();
    clock.nowMs = NOON + 40 * DAY_MS;
    answer = ({ to }) =>
      to.startsWith('bo') ? { kind: 'rejected', answer: '554', recipient: false } : { kind: 'accepted', answer: '250' };
    await mailing.send(request({ to: three }));
    const counts = async (from: number, to: number) =>
      (await deliveries.countsBetween(new Date(from), new Date(to))).sort((a, b) => (a.kind < b.kind ? -1 : 1));
    expect(await counts(clock.nowMs, clock.nowMs + 1)).toEqual([
      { tenant, kind: 'mail.failed', amount: 1 },
      { tenant, kind: 'mail.sent', amount: 2 },
    ]);
    expect(await counts(clock.nowMs - 10, clock.nowMs)).toEqual([]);
  });

  it('is forgotten after its time, and a dry run only says how much', async () => {
    const { mailing, request, deliveries, clock } = await site();
    clock.nowMs = NOON - 400 * DAY_MS;
    const asked = request({ to: three });
    await mailing.send(asked);
    const recent = request();
    clock.nowMs = NOON;
    await mailing.send(recent);
    const inbox = new Inbox({ folder: '/nowhere/at/all', most: 1 });
    const upkeep = new MailUpkeep({ deliveries, inbox, keepDays: 300, jobs: NO_JOBS, clock: () => NOON });
    const { signal } = new AbortController();
    expect(await upkeep.removeExpired({ dryRun: true, signal })).toEqual({ removed: 3, bytes: 0 });
    expect(await deliveries.ofJob(asked.job.id)).toHaveLength(3);
    expect(await upkeep.removeExpired({ dryRun: false, signal })).toEqual({ removed: 3, bytes: 0 });
    expect(await deliveries.ofJob(asked.job.id)).toEqual([]);
    expect(await deliveries.ofJob(recent.job.id)).toHaveLength(1);
    expect(await upkeep.removeExpired({ dryRun: false, signal })).toEqual({ removed: 0, bytes: 0 });
  });
});
