/** A worker that is killed between the last byte of a mail and its answer, and a mail server that holds everybody up. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Services } from '../../src/services.ts';
import { latch } from '../support/latch.ts';
import { type MailServer, startMailServer, startRawServer } from '../support/mail-server.ts';
import { headerOf, readMail } from '../support/mail-text.ts';
import { endAll, eventually, MillraceProcess } from '../support/millrace-process.ts';
import { finishedJob, REAL_JOBS, startProducerSide, stopProducerSide } from '../support/producer-side.ts';
import { createWorld, type World } from '../support/world.ts';

let folder: string;
let world: World;
let services: Services;
let server: MailServer;
/** The first mail is not answered; the test lets it go. */
let reached = latch();
let answered = latch();
let taken: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-mail-'));
  server = await startMailServer({
    data: async ({ raw }) => {
      taken.push(headerOf(readMail(raw), 'Message-ID'));
      if (taken.length > 1) return;
      reached.open();
      await answered.opened;
    },
  });
  world = await createWorld({ environment: { DATA_DIR: folder, SMTP_URL: server.url, MAIL_FROM: 'mill@example.com' } });
  services = await startProducerSide(world, REAL_JOBS);
});

afterEach(async () => {
  answered.open();
  await endAll();
  reached = latch();
  answered = latch();
  taken = [];
});

afterAll(async () => {
  await stopProducerSide(services);
  await server.close();
  await world.close();
  await rm(folder, { recursive: true, force: true });
});

const enqueue = (to: string) =>
  services.producer.enqueue({ tenant: 'default', job: 'email.send-welcome', payload: { to, name: 'Ada' } });

const ended = (id: string, ms = 60_000) => finishedJob(services, id, ms);

const states = async (id: string) =>
  (await services.deliveries.ofJob(id)).map(({ state, tries }) => ({ state, tries }));

/** Start a worker on a mail, kill it while the answer is awaited, and let another take over. */
async function killInTheMiddle(to: string, environment: object = {}) {
  const settings = { ...world.environment, ...environment };
  const doomed = new MillraceProcess('worker', { environment: settings, args: ['email'] });
  const { id } = await enqueue(to);
  await reached.opened;
  expect(await states(id)).toEqual([{ state: 'sending', tries: 1 }]);
  await doomed.end('SIGKILL');
  new MillraceProcess('worker', { environment: settings, args: ['email'] });
  return { id, view: await ended(id) };
}

describe('a worker that is killed before the mail server has answered', () => {
  test('sends the mail twice at most, under one Message-ID, and it counts as sent', async () => {
    const { id, view } = await killInTheMiddle('ada@example.org');
    expect(view).toMatchObject({ state: 'completed', result: { sent: 1 } });
    expect(taken.length).toBe(2);
    expect(new Set(taken).size).toBe(1);
    expect(await states(id)).toEqual([{ state: 'sent', tries: 2 }]);
  });

  test('does not send it again where the template is at-most-once, and says that nobody knows', async () => {
    const { id, view } = await killInTheMiddle('bo@example.org', { MAIL_AT_MOST_ONCE: 'welcome' });
    expect(view).toMatchObject({ state: 'dead', error: { code: 'mail-unknown' } });
    expect(taken.length).toBe(1);
    expect(await states(id)).toEqual([{ state: 'unknown', tries: 1 }]);
  });
});

describe('a tarpit', () => {
  test('holds up no other queue, and the mails themselves are given up in time', async () => {
    const tarpit = await startRawServer((socket) => {
      const timer = setInterval(() => socket.write('2'), 10_000);
      socket.write('2');
      socket.once('close', () => clearInterval(timer));
    });
    try {
      const environment = { ...world.environment, SMTP_URL: tarpit.url, EMAIL_QUEUE_CONCURRENCY: '2' };
      const worker = new MillraceProcess('worker', { environment });
      const mails = await Promise.all(Array.from({ length: 4 }, (_, n) => enqueue(`stuck${n}@example.org`)));
      await eventually(
        async () => tarpit.open,
        (open) => open === 2,
        20_000,
      );
      const startedAt = Date.now();
      const other = await services.producer.enqueue({ tenant: 'default', job: 'cleanup.wake-overdue', payload: {} });
      expect(await ended(other.id, 5000)).toMatchObject({ state: 'completed' });
      expect(Date.now() - startedAt).toBeLessThan(5000);
      const views = await eventually(
        () => Promise.all(mails.map(({ id }) => services.inspector.job('default', id))),
        (all) => all.filter(({ attempts }) => attempts.made > 0).length === 2,
        32_000,
      );
      for (const { state } of views) expect(state).not.toBe('dead');
      await worker.end('SIGTERM');
    } finally {
      await tarpit.close();
    }
  });
});
