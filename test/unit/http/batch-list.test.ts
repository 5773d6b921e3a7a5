import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { AppError } from '../../../src/errors.ts';
import { defineBatchRoute } from '../../../src/http/route.ts';
import { startSmallApp } from './small-app.ts';

const away = () => new AppError('store-unavailable', 'Redis does not answer.', { retryAfterSeconds: 2 });

/** An app that takes lists of numbers: 13 is refused, 14 finds the store away, 15 fails in a way nobody thought of. */
async function startLists() {
  const taken: number[] = [];
  const route = defineBatchRoute({
    method: 'POST',
    path: '/lists',
    access: 'caller',
    about: 'A test.',
    source: { kind: 'list', member: 'jobs', most: 5, maxBodyBytes: 300_000 },
    noun: 'job',
    item: z.strictObject({ n: z.int(), any: z.unknown().optional() }),
    handleItem: async ({ n }, { tenant, requestId }) => {
      taken.push(n);
      if (n === 13) throw new AppError('unknown-job', 'There is no job 13.');
      if (n === 14) throw away();
      if (n === 15) throw new TypeError('secret');
      return { n, tenant, requestId };
    },
  });
  const edge = await startSmallApp({ routes: [route] });
  onTestFinished(() => edge.stop());
  const post = async (body: string) => {
    const headers = { 'Content-Type': 'application/json', 'X-Request-Id': 'r1' };
    const answer = await fetch(`${edge.url}/lists`, { method: 'POST', headers, body });
    return { status: answer.status, headers: answer.headers, body: JSON.parse(await answer.text()) };
  };
  return { edge, taken, post, postAll: (...jobs: unknown[]) => post(JSON.stringify({ jobs })) };
}

describe('a list of jobs', () => {
  it('is answered 202, job by job, when all were accepted, and reaches the handler in its order', async () => {
    const { postAll, taken } = await startLists();
    const { status, headers, body } = await postAll({ n: 3 }, { n: 1 }, { n: 2 });
    expect([status, headers.get('content-type')]).toEqual([202, 'application/json; charset=utf-8']);
    expect(body).toEqual({
      accepted: 3,
      refused: 0,
      jobs: [3, 1, 2].map((n) => ({ n, tenant: 'acme', requestId: 'r1' })),
    });
    expect(taken).toEqual([3, 1, 2]);
  });

  it('is answered 207 when some were not, each refusal in its place', async () => {
    const { postAll, taken } = await startLists();
    const { status, body } = await postAll({ n: 1 }, { n: 'x', extra: 1 }, { n: 13 }, null, { n: 2 });
    expect(status).toBe(207);
    expect(body).toMatchObject({ accepted: 2, refused: 3 });
    expect(body.jobs[1]).toEqual({
      code: 'invalid-input',
      detail: 'The job is wrong.',
      problems: [
        { pointer: '/n', message: expect.any(String) },
        { pointer: '/extra', message: 'This field is not known here.' },
      ],
    });
    expect(body.jobs[2]).toEqual({ code: 'unknown-job', detail: 'There is no job 13.' });
    expect(body.jobs[3]).toMatchObject({ code: 'invalid-input', problems: [{ pointer: '' }] });
    expect(taken).toEqual([1, 13, 2]);
  });

  it('holds what strict JSON refuses against the one job that has it', async () => {
    const { post, taken } = await startLists();
    const deep = '['.repeat(32) + ']'.repeat(32);
    const jobs = [
      '{"n":1,"n":2}',
      '{"n":1,"any":"\\u0000]}"}',
      `{"n":3,"any":${deep.slice(1, -1)}}`,
      `{"n":4,"any":${deep}}`,
    ];
    const { status, body } = await post(`{ "jobs" : [ ${jobs.join(' ,\n')} , {"n":5} ]\n}`);
    expect(status).toBe(207);
    expect(body.jobs.map(({ n, problems }: Record<string, unknown>) => n ?? problems)).toEqual([
      [{ pointer: '/n', message: 'is a key that appears twice' }],
      [{ pointer: '/any', message: 'holds a NUL character' }],
      3,
      [{ pointer: expect.stringMatching(/^\/any(\/0)+$/), message: 'is nested deeper than 32 levels' }],
      5,
    ]);
    expect(taken).toEqual([3, 5]);
  });

  it.each([
    ['{"jobs":[]}', 'must be a list of 1–5 jobs', '/jobs'],
    [`{"jobs":[${Array(6).fill('{"n":1}').join()}]}`, 'must be a list of 1–5 jobs', '/jobs'],
    [`{"jobs":[${Array(6).fill('{"n":1,"n":1}').join()}]}`, 'must be a list of 1–5 jobs', '/jobs'],
    ['{"jobs":{"n":1}}', 'must be a list of 1–5 jobs', '/jobs'],
    ['{"jobs":[{"n":1}],"job":1}', 'This field is not known here.', '/job'],
    ['{"jobs":[{"n":1}],"jobs":[{"n":1}]}', 'is a key that appears twice', '/jobs'],
    ['[{"n":1}]', 'must be an object with the list jobs', ''],
  ])('is refused as a whole: %s', async (text, message, pointer) => {
    const { post, taken } = await startLists();
    const { status, body } = await post(text);
    expect([status, body.code, body.problems]).toEqual([422, 'invalid-input', [{ pointer, message }]]);
    expect(taken).toEqual([]);
  });

  it('may be larger than other bodies, up to its own limit', async () => {
    const { postAll } = await startLists();
    expect((await postAll({ n: 1, any: 'a'.repeat(280_000) })).status).toBe(202);
    expect(await postAll({ n: 1, any: 'a'.repeat(300_000) })).toMatchObject({
      status: 413,
      body: { code: 'body-too-large', detail: 'The body has more than 300000 bytes.' },
    });
  });

  it('is 503 with Retry-After when a store is away and nothing was accepted', async () => {
    const { postAll } = await startLists();
    const { status, headers, body } = await postAll({ n: 13 }, { n: 14 }, { n: 14 });
    expect([status, headers.get('retry-after'), body.detail]).toEqual([503, '2', 'Redis does not answer.']);
    expect(await postAll({ n: 14 }, { n: 1 })).toMatchObject({
      status: 207,
      body: { accepted: 1, jobs: [{ code: 'store-unavailable' }, { n: 1 }] },
    });
  });

  it('hides what went wrong with a job, and logs it once', async () => {
    const { postAll, edge } = await startLists();
    const { status, body } = await postAll({ n: 15 }, { n: 1 }, { n: 15 });
    expect(status).toBe(207);
    expect(body.jobs[0]).toEqual({ code: 'internal', detail: 'Look in the log for the request id.' });
    const lines = edge.log.filter(({ level }) => level === 'error');
    expect(lines).toMatchObject([{ requestId: 'r1', err: { message: 'secret' } }]);
  });
});
