import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { isFromOwnPage, whyRefused } from '../../../src/queue/board-rules.ts';
import { defineJob } from '../../../src/queue/job.ts';
import { Redaction } from '../../../src/queue/redaction.ts';

describe('a write of the board', () => {
  it('comes from its own page when the browser says so', () => {
    expect(isFromOwnPage({ host: 'a:1', origin: 'http://a:1' })).toBe(true);
    expect(isFromOwnPage({ host: 'A:1', origin: 'https://a:1' })).toBe(true);
    expect(isFromOwnPage({ host: 'a:1', origin: 'http://a:1', 'sec-fetch-site': 'cross-site' })).toBe(false);
    expect(isFromOwnPage({ host: 'a:1', origin: 'http://b:1' })).toBe(false);
    expect(isFromOwnPage({ host: 'a:1', origin: 'null' })).toBe(false);
    expect(isFromOwnPage({ host: 'a:1' })).toBe(false);
  });

  it('is refused unless it is one of those that lose nothing', async () => {
    const route = (tail: string) => `/api/queues/:queueName/${tail}`;
    const why = (tail: string, state: string, queueStatus?: string) =>
      whyRefused({ route: route(tail), params: { queueName: 'q', jobId: 'j', queueStatus } }, async () => state);
    expect(await why(':jobId/retry', 'failed')).toBeUndefined();
    expect(await why(':jobId/retry', 'completed')).toMatch(/failed/);
    expect(await why(':jobId/clean', 'completed')).toBeUndefined();
    expect(await why(':jobId/clean', 'waiting')).toMatch(/DELETE/);
    expect(await why(':jobId/promote', 'delayed')).toBeUndefined();
    expect(await why('clean/:queueStatus', '', 'delayed')).toMatch(/DELETE/);
    expect(await why('clean/:queueStatus', '', 'failed')).toBeUndefined();
    expect(await why('retry/:queueStatus', '', 'completed')).toMatch(/failed/);
    for (const tail of [
      'add',
      'empty',
      'obliterate',
      'pause',
      ':jobId/update-data',
      'job-schedulers/:schedulerId/run',
    ]) {
      expect(await why(tail, 'failed')).toMatch(/API/);
    }
  });
});

describe('redaction', () => {
  const definition = defineJob({
    name: 'letters.send-letter',
    formerly: ['letters.post'],
    about: 'Send.',
    payload: z.object({ to: z.string(), seal: z.string() }),
    result: z.null(),
    example: { to: 'a', seal: 'b' },
    secret: ['seal'],
    run: async () => null,
  });
  const redaction = new Redaction([definition]);
  const data = { tenant: 'default', payload: { to: 'ada', seal: 'wax' } };
  const covered = { tenant: 'default', payload: { to: 'ada', seal: '[redacted]' } };

  it('covers secret fields under every name of the job, and leaves the original alone', () => {
    expect(redaction.data('letters.send-letter', data)).toEqual(covered);
    expect(redaction.data('letters.post', data)).toEqual(covered);
    expect(data.payload.seal).toBe('wax');
  });

  it('covers everything it cannot tell apart', () => {
    expect(redaction.data('letters.unknown', data)).toBe('[redacted]');
    expect(redaction.data('letters.send-letter', { to: 'ada', seal: 'wax' })).toBe('[redacted]');
    expect(redaction.data('letters.send-letter', 'wax')).toBe('[redacted]');
  });

  it('reaches jobs in lists, alone and in schedules', () => {
    const job = { name: 'letters.send-letter', data };
    const body = {
      job,
      queues: [{ name: 'letters', jobs: [job] }],
      schedulers: [{ name: job.name, template: { data } }],
    };
    expect(JSON.stringify(redaction.answer(body))).not.toContain('wax');
    expect(redaction.answer({ job: { name: job.name } })).toEqual({ job: { name: job.name } });
    expect(redaction.answer('text')).toBe('text');
  });
});
