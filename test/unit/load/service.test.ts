import { afterEach, describe, expect, it } from 'vitest';
import { NoService, Service } from '../../load/service.ts';
import { refuse, reply, type StandIn, type StandInOptions, startStandIn } from './stand-in-service.ts';

let standIn: StandIn;
let service: Service;
afterEach(async () => {
  service.close();
  await standIn.close();
});

async function open(options: StandInOptions = {}): Promise<Service> {
  standIn = await startStandIn(options);
  service = new Service({ url: new URL(standIn.url), apiKey: undefined, connections: 2, followers: 2 });
  return service;
}

const ONE = { job: 'a.b', path: '/v1/jobs', body: '{}', jobs: 1 };
const THREE = { job: 'a.b', path: '/v1/jobs/bulk', body: '{}', jobs: 3 };

describe('the service under load', () => {
  it('tells its definitions, queues and version', async () => {
    await open();
    expect((await service.definitions()).map(({ name }) => name)).toEqual(['learning.process-edit', 'cleanup.sweep']);
    expect((await service.queues())?.[0]).toEqual({ name: 'learning', workers: 1, waiting: 0, active: 0, delayed: 0 });
    expect(await service.version()).toBe('9.9.9');
  });

  it.each([
    ['asks for a key', (r) => refuse(r, 401, 'unauthenticated'), 'asks for an API key. Give one with --api-key'],
    ['is something else', (r) => r.end('<html>'), 'is no Millrace. Name the service with --url.'],
    ['cannot just now', (r) => refuse(r, 503, 'shutting-down', 'It stops.'), 'answered 503 (shutting-down)'],
  ] as [string, (response: Parameters<typeof reply>[0]) => void, string][])(
    'says what to do when it %s',
    async (_what, answer, said) => {
      await open({ paths: { '/v1/definitions': (_request, response) => answer(response) } });
      await expect(service.definitions()).rejects.toThrow(said);
      await expect(service.definitions()).rejects.toThrow(NoService);
    },
  );

  it('says what to do when nothing answers', async () => {
    await open();
    await standIn.close();
    await expect(service.definitions()).rejects.toThrow('Start the service with `npm start` in another terminal');
    standIn = await startStandIn();
  });

  it('gives the id of an accepted job to whoever wants it', async () => {
    await open();
    expect(await service.enqueue(ONE, 5000, true)).toMatchObject({ status: 202, jobs: 1, id: 'learning_1' });
    expect(await service.enqueue(ONE, 5000, false)).toMatchObject({ status: 202, jobs: 1, id: undefined });
  });

  it('keeps the code and the detail of a refusal, and the status of one without a code', async () => {
    await open({ enqueue: (_request, response) => refuse(response, 503, 'store-unavailable', 'x'.repeat(5000)) });
    const refused = await service.enqueue(ONE, 5000, false);
    expect(refused).toMatchObject({ status: 503, code: 'store-unavailable', jobs: 0 });
    expect(refused.detail).toHaveLength(300);
    await standIn.close();
    await open({ enqueue: (_request, response) => response.writeHead(502).end('<html>Bad gateway') });
    expect(await service.enqueue(ONE, 5000, false)).toMatchObject({ status: 502, code: 'http-502' });
  });

  it('does not take a strange text for a code', async () => {
    await open({ enqueue: (_request, response) => refuse(response, 500, '<script>') });
    expect(await service.enqueue(ONE, 5000, false)).toMatchObject({ status: 500, code: 'http-500' });
  });

  it('counts the jobs of a bulk request one by one', async () => {
    const items = [{ id: 'a_1' }, { code: 'invalid-input', detail: 'It is wrong.' }, { id: 'a_3' }];
    await open({ enqueue: (_request, response) => reply(response, 202, { jobs: items }) });
    expect(await service.enqueue(THREE, 5000, true)).toEqual({
      status: 202,
      code: 'invalid-input',
      detail: 'It is wrong.',
      jobs: 2,
      id: 'a_1',
    });
  });

  it('takes a bulk answer that it does not understand for a failure', async () => {
    await open({ enqueue: (_request, response) => reply(response, 202, { ok: true }) });
    expect(await service.enqueue(THREE, 5000, false)).toMatchObject({ code: 'not-understood', jobs: 0 });
  });

  it('gives the state of a job, or nothing when nobody can tell', async () => {
    await open({
      paths: { '/v1/jobs/a_1': (request, response) => reply(response, 200, { id: 'a_1', state: String(request.url) }) },
    });
    expect(await service.state('a_1', 2500)).toBe('/v1/jobs/a_1?wait=2');
    expect(await service.state('a_2', 2500)).toBeUndefined();
  });
});
