/**
 * Spoken by flite, encoded as MP3, uploaded, transcribed by a worker and read back; and what becomes of the rest.
 *
 * The sentence is one that pocketsphinx was seen to hear without a mistake; it is given two words of eleven.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { INSTALL_MS, missingSpeechPrograms, Recordings, SENTENCE, wordErrors } from '../support/recordings.ts';
import { json, SpeechService } from '../support/speech-service.ts';
import { openWebSite, type WebSite } from '../support/web-site.ts';

const jobsDir = join(import.meta.dirname, '..', '..', 'jobs');
const service = new SpeechService();
const sites: WebSite[] = [];
let recordings: Recordings;
let missing = '';
let spoken: Buffer = Buffer.alloc(0);

beforeAll(async () => {
  missing = await missingSpeechPrograms();
  recordings = new Recordings();
  await service.start();
  if (missing !== '') return;
  const wav = await recordings.speak(SENTENCE);
  spoken = readFileSync(await recordings.make('spoken.mp3', '-i', wav, '-b:a', '48k'));
}, INSTALL_MS);

beforeEach(({ skip }) => {
  if (missing !== '') skip(missing);
});

afterAll(async () => {
  for (const site of sites) await site.close();
  await service.stop();
  recordings?.remove();
});

/** A web process and a worker with these variables. */
async function open(environment: Record<string, string> = {}): Promise<WebSite> {
  const site = await openWebSite({ jobsDir, environment });
  sites.push(site);
  return site;
}

/** Upload a file; its id. */
async function upload({ port }: WebSite, bytes: Uint8Array): Promise<string> {
  const headers = { 'content-type': 'application/octet-stream' };
  const response = await fetch(`http://127.0.0.1:${port}/v1/media`, { method: 'POST', body: bytes, headers });
  expect(response.status).toBe(201);
  const { id } = (await response.json()) as { id: string };
  return id;
}

/** Transcribe and wait; the finished job. */
async function transcribe(site: WebSite, payload: object) {
  const { status, body } = await site.ask('POST', '/v1/jobs', { job: 'media.transcribe-audio', payload });
  expect(status).toBe(202);
  for (let ask = 0; ask < 8; ask++) {
    const { body: job } = await site.ask('GET', `/v1/jobs/${body.id}?wait=12`);
    if (job.state === 'completed' || job.state === 'dead') return job;
  }
  throw new Error(`Job ${body.id} does not end.`);
}

describe('a spoken sentence', () => {
  it('is uploaded as MP3 and read back, with times, outline and progress', async () => {
    const site = await open();
    const job = await transcribe(site, { fileId: await upload(site, spoken) });
    expect(job).toMatchObject({ state: 'completed', attempts: { made: 1 }, progress: { stage: 'transcribed' } });
    const { text, segments, language, engine, durationMs, peaks } = job.result;
    expect({ language, engine }).toEqual({ language: 'en', engine: 'pocketsphinx' });
    expect(wordErrors(SENTENCE, text)).toBeLessThanOrEqual(2);
    expect(durationMs).toBeGreaterThan(2500);
    expect(durationMs).toBeLessThan(5000);
    expect(segments).toEqual([{ startMs: expect.any(Number), endMs: expect.any(Number), text }]);
    expect(segments[0].endMs).toBeLessThanOrEqual(durationMs);
    expect(peaks.length).toBe(800);
    expect(Math.max(...peaks)).toBeGreaterThan(0.1);
    expect(await stagesOf(site, job.id)).toEqual(['probed', 'decoded', 'transcribed']);
  });

  it('is heard by the service that is set; a busy one is asked again and no attempt is spent', async () => {
    const site = await open({ SPEECH_URL: service.url, SPEECH_API_KEY: 'key-of-ours' });
    let asked = 0;
    service.answer = (response) => {
      asked += 1;
      if (asked === 1) return json(response, 429, {}, { 'retry-after': '1' });
      json(response, 200, { text: SENTENCE, language: 'english', segments: [{ start: 0, end: 3, text: SENTENCE }] });
    };
    const job = await transcribe(site, { fileId: await upload(site, spoken) });
    expect(job).toMatchObject({
      state: 'completed',
      attempts: { made: 1 },
      result: { text: SENTENCE, language: 'english', engine: 'remote', segments: [{ startMs: 0, endMs: 3000 }] },
    });
    expect(asked).toBe(2);
    expect((await site.ask('GET', '/health')).body).toMatchObject({ features: { speech: 'remote' }, experimental: [] });
  });

  it('is not guessed at where nobody listens', async () => {
    const site = await open({ SPEECH_OFFLINE: 'off' });
    expect(await transcribe(site, { fileId: await upload(site, spoken) })).toMatchObject({
      state: 'dead',
      attempts: { made: 1 },
      error: { code: 'provider-not-configured', message: expect.stringContaining('SPEECH_URL') },
    });
    expect((await site.ask('GET', '/health')).body).toMatchObject({
      features: { speech: 'not configured' },
      reasons: { speech: expect.stringContaining('SPEECH_URL') },
    });
  });
});

describe('what is no speech', () => {
  it('is refused for good at its first attempt, with a code', async () => {
    const site = sites[0] ?? (await open());
    const text = await upload(site, Buffer.from('#EXTM3U\nhttp://127.0.0.1/x.ts\n'));
    const refused = { state: 'dead', attempts: { made: 1 }, result: null };
    expect(await transcribe(site, { fileId: text })).toMatchObject({ ...refused, error: { code: 'audio-unreadable' } });
    const nobody = { fileId: 'f'.repeat(64) };
    expect(await transcribe(site, nobody)).toMatchObject({ ...refused, error: { code: 'media-not-found' } });
    const inside = { url: 'https://127.0.0.1/speech.mp3' };
    expect(await transcribe(site, inside)).toMatchObject({ ...refused, error: { code: 'url-refused' } });
    const german = { fileId: await upload(site, Buffer.concat([spoken, spoken])), language: 'de' };
    expect(await transcribe(site, german)).toMatchObject({ ...refused, error: { code: 'work-refused' } });
  });

  it.each([
    ['nothing', {}],
    ['both a file and a URL', { fileId: 'f'.repeat(64), url: 'https://example.com/a.mp3' }],
    ['a path', { fileId: '../../etc/passwd' }],
    ['a language that is none', { fileId: 'f'.repeat(64), language: 'en; rm' }],
  ])('is refused at the door: %s', async (_name, payload) => {
    const site = sites[0] ?? (await open());
    const { status, body } = await site.ask('POST', '/v1/jobs', { job: 'media.transcribe-audio', payload });
    expect({ status, code: body.code }).toEqual({ status: 422, code: 'invalid-input' });
  });

  it('is told in /health: the offline engine is experimental', async () => {
    const site = sites[0] ?? (await open());
    expect((await site.ask('GET', '/health')).body).toMatchObject({
      features: { speech: 'pocketsphinx' },
      experimental: ['speech'],
    });
  });
});

describe('decoded recordings that a killed worker has left', () => {
  it('are looked for by a cleanup job that can run dry', async () => {
    const site = sites[0] ?? (await open());
    const job = { job: 'cleanup.remove-decoded-audio', payload: { dryRun: true } };
    const { body } = await site.ask('POST', '/v1/jobs', job);
    expect((await site.ask('GET', `/v1/jobs/${body.id}?wait=15`)).body).toMatchObject({
      state: 'completed',
      result: { removed: expect.any(Number), bytes: expect.any(Number), dryRun: true },
    });
  });
});

/** The stages that a job has reported, in order, as its queue tells them. */
async function stagesOf({ world }: WebSite, id: string): Promise<unknown[]> {
  const redis = new Redis(world.config.REDIS_URL);
  try {
    const entries = await redis.xrange(`${world.config.QUEUE_PREFIX}:media:events`, '-', '+');
    const told = entries.map(([, fields]) => {
      const pairs = fields.flatMap((name, index) => (index % 2 === 0 ? [[name, fields[index + 1] ?? '']] : []));
      return Object.fromEntries(pairs) as Record<string, string>;
    });
    const progress = told.filter(({ event, jobId }) => event === 'progress' && jobId === id);
    return progress.map(({ data = '{}' }) => JSON.parse(data).stage);
  } finally {
    redis.disconnect();
  }
}
