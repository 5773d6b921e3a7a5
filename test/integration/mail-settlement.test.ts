/** Mails whose job has ended without them, with a worker that is killed in the middle. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { AppError } from '../../src/errors.ts';
import { Deliveries, type Delivery } from '../../src/mail/deliveries.ts';
import { type JobFacts, settleDeliveries } from '../../src/mail/settlement.ts';
import type { Services } from '../../src/services.ts';
import { latch } from '../support/latch.ts';
import { type MailServer, refusal, startMailServer } from '../support/mail-server.ts';
import { endAll, eventually, MillraceProcess } from '../support/millrace-process.ts';
import { finishedJob, REAL_JOBS, startProducerSide, stopProducerSide } from '../support/producer-side.ts';
import { createWorld, type World } from '../support/world.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const { signal } = new AbortController();

let folder: string;
let world: World;
let services: Services;
let server: MailServer;
let onData: () => void | Promise<void> = () => {};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-mail-'));
  server = await startMailServer({ data: () => onData() });
  world = await createWorld({ environment: { DATA_DIR: folder, SMTP_URL: server.url, MAIL_FROM: 'mill@example.com' } });
  services = await startProducerSide(world, REAL_JOBS);
});
afterEach(async () => {
  onData = () => {};
  await endAll();
});
afterAll(async () => {
  await stopProducerSide(services);
  await server.close();
  await world.close();
  await rm(folder, { recursive: true, force: true });
});

const rowOf = async (id: string): Promise<Delivery> => {
  const [row] = await services.deliveries.ofJob(id);
  if (row === undefined) throw new Error(`${id} has no row`);
  return row;
};

describe('a mail whose job is asked for', () => {
  const NOW = Date.parse('2030-05-06T12:00:00Z');
  let serial = 0;

  /** A row as an attempt has left it an hour ago, and how a settlement at noon finds its job. */
  async function left(state: 'waiting' | 'sending', ageMs = 60 * MINUTE_MS) {
    serial += 1;
    const jobId = `email_left${serial}`;
    const deliveries = new Deliveries({ database: services.database, clock: () => NOW - ageMs });
    const [row] = (await deliveries.open({ ...MAIL, jobId, messageId: `<${jobId}@x.com>` }, 1000)) ?? [];
    if (row === undefined) throw new Error('no row');
    const tries = (await deliveries.sending(row.id)) ?? 0;
    await deliveries.note({ ...row, tries }, state, '451 later');
    const asked: string[] = [];
    const settle = (facts: Partial<JobFacts> | AppError, atMs = NOW) => {
      const job = async (tenant: string, id: string): Promise<JobFacts> => {
        if (id !== jobId) return { state: 'active', error: null, finishedAt: null };
        asked.push(`${tenant} ${id}`);
        if (facts instanceof AppError) throw facts;
        return { state: 'dead', error: null, finishedAt: new Date(NOW - 10 * MINUTE_MS).toISOString(), ...facts };
      };
      const now = new Deliveries({ database: services.database, clock: () => atMs });
      return settleDeliveries({ deliveries: now, jobs: { job }, clock: () => atMs }, signal);
    };
    return { jobId, deliveries, row: { ...row, tries }, settle, asked };
  }
  const MAIL = {
    ...{ tenant: 'default', template: 'welcome', sender: 'mill@example.com', subject: 'Hello' },
    recipients: [{ address: 'ada@example.org', suppressed: false }],
  };

  it.each([
    ['dead', { error: { code: 'attempt-timed-out', message: 'It took too long.' } }, 'attempt-timed-out'],
    [
      'cancelled',
      { state: 'cancelled', error: { code: 'job-cancelled', message: 'x' }, finishedAt: null },
      'job-cancelled',
    ],
    ['completed', { state: 'completed' }, 'mail-deferred'],
  ] as const)(
    'has failed when it waited and the job is %s, and nobody knows when it was being sent',
    async (_what, facts, code) => {
      const [waiting, sending] = [await left('waiting'), await left('sending')];
      expect(await waiting.settle(facts)).toEqual({ failed: 1, unknown: 0 });
      expect(waiting.asked).toEqual([`default ${waiting.jobId}`]);
      expect(await sending.settle(facts)).toEqual({ failed: 0, unknown: 1 });
      const ended_at = new Date(NOW);
      expect(await rowOf(waiting.jobId)).toMatchObject({ state: 'failed', code, ended_at });
      expect(await rowOf(sending.jobId)).toMatchObject({ state: 'unknown', code: 'mail-unknown', ended_at });
      expect((await rowOf(sending.jobId)).answer).toMatch(
        /^The job ended before the answer came [(].+[)][.] Before: 451 later$/,
      );
      expect(await sending.settle(facts)).toEqual({ failed: 0, unknown: 0 });
    },
  );

  it.each([
    ['waits', { state: 'waiting' }],
    ['runs', { state: 'active', finishedAt: null }],
    ['will be tried again', { state: 'failed', error: { code: 'mail-deferred', message: 'x' } }],
    ['ended a minute ago', { finishedAt: new Date(NOW - MINUTE_MS).toISOString() }],
    ['is gone since less than a day', new AppError('job-not-found', 'There is no such job.')],
  ])('is left alone while the job %s', async (_what, facts) => {
    for (const { jobId, settle, asked } of [await left('waiting'), await left('sending')]) {
      const before = await rowOf(jobId);
      expect(await settle(facts)).toEqual({ failed: 0, unknown: 0 });
      expect(asked).toHaveLength(1);
      expect(await rowOf(jobId)).toEqual(before);
      await services.deliveries.ended(before, { state: 'sent', answer: '250' });
    }
  });

  it('is not asked for while it is new', async () => {
    const { settle, asked, row, deliveries } = await left('sending', MINUTE_MS);
    expect(await settle({})).toEqual({ failed: 0, unknown: 0 });
    expect(asked).toEqual([]);
    await deliveries.ended(row, { state: 'sent', answer: '250' });
  });

  it('has an end a day after the job was last seen', async () => {
    const { settle, jobId } = await left('waiting', 25 * 60 * MINUTE_MS);
    expect(await settle(new AppError('job-not-found', 'There is no such job.'))).toEqual({ failed: 1, unknown: 0 });
    expect(await rowOf(jobId)).toMatchObject({ state: 'failed', code: 'job-not-found' });
  });

  it.each(['state-unknown', 'store-unavailable'] as const)(
    'is left to a later run when the answer is %s',
    async (code) => {
      const { settle, jobId, row, deliveries } = await left('waiting');
      await expect(settle(new AppError(code, 'Redis is away.'))).rejects.toMatchObject({ code });
      expect(await rowOf(jobId)).toMatchObject({ state: 'waiting' });
      await deliveries.ended(row, { state: 'sent', answer: '250' });
    },
  );

  it('is what an attempt that lives on says of it', async () => {
    const [sent, refused, late] = [await left('sending'), await left('sending'), await left('sending')];
    for (const { settle } of [sent, refused, late]) expect(await settle({})).toEqual({ failed: 0, unknown: 1 });
    await sent.deliveries.ended(sent.row, { state: 'sent', answer: '250 at last' });
    expect(await rowOf(sent.jobId)).toMatchObject({ state: 'sent', answer: '250 at last', code: null });
    await refused.deliveries.ended(refused.row, { state: 'failed', code: 'mail-rejected', answer: '550' });
    expect(await rowOf(refused.jobId)).toMatchObject({ state: 'failed', code: 'mail-rejected' });
    // It would wait for a job that has ended.
    await late.deliveries.note(late.row, 'waiting', '451');
    expect(await rowOf(late.jobId)).toMatchObject({ state: 'unknown' });
  });

  it('is not touched when an attempt has taken it up between the look and the deed', async () => {
    const { row, deliveries, jobId } = await left('waiting');
    expect(await deliveries.sending(row.id)).toBe(2);
    expect(await deliveries.settle(row, { state: 'failed', answer: 'x' })).toBe(false);
    expect(await rowOf(jobId)).toMatchObject({ state: 'sending', tries: 2 });
    await deliveries.ended({ ...row, tries: 2 }, { state: 'sent', answer: '250' });
  });

  it('gets its end among a thousand others', async () => {
    const deliveries = new Deliveries({ database: services.database, clock: () => NOW - 60 * MINUTE_MS });
    const recipients = Array.from({ length: 1001 }, (_, n) => ({ address: `a${n}@example.org`, suppressed: false }));
    await deliveries.open(
      { ...MAIL, tenant: 'many', jobId: 'email_many', messageId: '<many@x.com>', recipients },
      2000,
    );
    const { settle } = await left('sending');
    expect(await settle({})).toEqual({ failed: 0, unknown: 1 });
    const asked: string[] = [];
    const job = async (_tenant: string, id: string) => {
      asked.push(id);
      return { state: 'dead', error: null, finishedAt: new Date(NOW - DAY_MS).toISOString() };
    };
    const settled = await settleDeliveries({ deliveries, jobs: { job }, clock: () => NOW }, signal);
    expect(settled).toEqual({ failed: 1001, unknown: 0 });
    expect(asked).toEqual(['email_many']);
  });
});

describe('a mail that was broken off', () => {
  const worker = (more: object = {}) =>
    new MillraceProcess('worker', { environment: { ...world.environment, ...more }, args: ['email'] });
  const enqueue = (more: object = {}) =>
    services.producer.enqueue({
      tenant: 'default',
      job: 'email.send-welcome',
      payload: { to: 'ada@example.org', name: 'Ada' },
      ...more,
    });
  const job = (id: string) => services.inspector.job('default', id);
  const ended = (id: string) => finishedJob(services, id, 60_000);
  const settleIn = (ms: number) => {
    const { deliveries, inspector } = services;
    return settleDeliveries({ deliveries, jobs: inspector, clock: () => Date.now() + ms }, signal);
  };
  /** The server takes the mail, and says nothing until `answered` is opened. */
  const hold = () => {
    const [reached, answered] = [latch(), latch()];
    onData = async () => {
      reached.open();
      await answered.opened;
    };
    return { reached, answered };
  };

  it('by kill -9, and whose job is dead before its next try, gets an end, and is sent by a retry', async () => {
    const { reached, answered } = hold();
    const doomed = worker();
    const { id } = await enqueue();
    await reached.opened;
    await doomed.end('SIGKILL');
    expect(await rowOf(id)).toMatchObject({ state: 'sending', tries: 1 });
    // Nobody works on it, but somebody will.
    expect(await settleIn(2 * DAY_MS)).toEqual({ failed: 0, unknown: 0 });

    const stranger = worker({ MAIL_FROM: 'other@example.com' });
    expect(await ended(id)).toMatchObject({ state: 'dead', error: { code: 'sender-not-verified' } });
    await stranger.end('SIGKILL');
    expect(await rowOf(id)).toMatchObject({ state: 'sending', tries: 1 });
    expect(await settleIn(0)).toEqual({ failed: 0, unknown: 0 });
    expect(await settleIn(6 * MINUTE_MS)).toEqual({ failed: 0, unknown: 1 });
    const row = await rowOf(id);
    expect(row).toMatchObject({ state: 'unknown', code: 'mail-unknown', tries: 1 });
    expect(row.answer).toContain('sender-not-verified: ');

    answered.open();
    worker();
    await services.inspector.retry('default', id);
    expect(await ended(id)).toMatchObject({ state: 'completed', result: { sent: 1 } });
    expect(await rowOf(id)).toMatchObject({ state: 'sent', tries: 2, code: null });
  }, 90_000);

  it('by the deadline of the last attempt gets an end, and so do those behind it', async () => {
    const { reached, answered } = hold();
    worker({ MAIL_AT_MOST_ONCE: 'notification' });
    const payload = { to: ['ada@example.org', 'bo@example.org'], title: 'News', message: 'It happened.' };
    const { id } = await enqueue({ job: 'email.send-notification', payload, attempts: 1, timeoutMs: 2000 });
    await reached.opened;
    // Asked while the attempt runs, as if days had passed.
    expect(await settleIn(2 * DAY_MS)).toEqual({ failed: 0, unknown: 0 });
    expect(await ended(id)).toMatchObject({ state: 'dead', error: { code: 'attempt-timed-out' } });
    const states = async () => (await services.deliveries.ofJob(id)).map(({ state, code }) => [state, code]);
    expect(await states()).toEqual([
      ['sending', null],
      ['waiting', null],
    ]);
    expect(await settleIn(6 * MINUTE_MS)).toEqual({ failed: 1, unknown: 1 });
    expect(await states()).toEqual([
      ['unknown', 'mail-unknown'],
      ['failed', 'attempt-timed-out'],
    ]);
    answered.open();
    await services.inspector.retry('default', id);
    expect(await ended(id)).toMatchObject({ state: 'dead', error: { code: 'mail-unknown' } });
    expect(await states()).toEqual([
      ['unknown', 'mail-unknown'],
      ['sent', null],
    ]);
  }, 60_000);

  it('because its job was cancelled, or is gone, has failed', async () => {
    onData = () => {
      throw refusal(451, '4.3.0 come back');
    };
    const doomed = worker();
    const [cancelled, gone] = [await enqueue(), await enqueue({ payload: { to: 'bo@example.org', name: 'Bo' } })];
    for (const { id } of [cancelled, gone])
      await eventually(
        () => job(id),
        ({ state }) => state === 'failed',
        30_000,
      );
    await doomed.end('SIGKILL');
    await services.inspector.cancel('default', cancelled.id);
    await (await services.queues.get('email').getJob(gone.id))?.remove();
    expect(await settleIn(6 * MINUTE_MS)).toEqual({ failed: 1, unknown: 0 });
    expect(await rowOf(cancelled.id)).toMatchObject({ state: 'failed', code: 'job-cancelled' });
    expect(await rowOf(gone.id)).toMatchObject({ state: 'waiting' });
    expect(await settleIn(DAY_MS + MINUTE_MS)).toEqual({ failed: 1, unknown: 0 });
    expect(await rowOf(gone.id)).toMatchObject({ state: 'failed', code: 'job-not-found', ended_at: expect.any(Date) });
  }, 60_000);

  it('is looked after by a job of its own', async () => {
    worker();
    const { id } = await services.producer.enqueue({ tenant: 'default', job: 'email.settle-deliveries', payload: {} });
    expect(await ended(id)).toMatchObject({ state: 'completed', result: { failed: 0, unknown: 0 } });
  }, 60_000);
});
