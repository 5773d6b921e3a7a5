/** Every engine that speaks passes one suite; the remote one also meets a service's failures. */

import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Programs } from '../../src/providers/programs.ts';
import type { Speech } from '../../src/providers/speech.ts';
import { chooseSpeech, NoSpeech, speechState } from '../../src/providers/speech-choice.ts';
import { PocketsphinxSpeech, segmentsOf } from '../../src/providers/speech-pocketsphinx.ts';
import { RemoteSpeech } from '../../src/providers/speech-remote.ts';
import { wavHeader } from '../../src/providers/wav.ts';
import { refusalsWith } from '../support/provider-refusals.ts';
import { INSTALL_MS, missingSpeechPrograms, Recordings, SENTENCE, wordErrors } from '../support/recordings.ts';
import { json, SpeechService } from '../support/speech-service.ts';

const service = new SpeechService();
let recordings: Recordings;
let programs: Programs;
let missing = '';
let spoken = { path: '', durationMs: 0 };
let silence = { path: '', durationMs: 2000 };

beforeAll(async () => {
  missing = await missingSpeechPrograms();
  recordings = new Recordings();
  programs = new Programs({ dataDir: recordings.folder });
  await service.start();
  silence = { path: recordings.path('silence.pcm'), durationMs: 2000 };
  await writeFile(silence.path, Buffer.alloc(64_000));
  if (missing !== '') return;
  const wav = await recordings.speak(SENTENCE);
  // As a caller records it: a pause before, in the middle and after.
  const pauses = '[0]asplit[a][b];[a]adelay=1000,apad=pad_dur=2[x];[x][b]concat=n=2:v=0:a=1,apad=pad_dur=1';
  const raw = ['-ar', '16000', '-ac', '1', '-f', 's16le'];
  const path = await recordings.make('spoken.pcm', '-i', wav, '-filter_complex', pauses, ...raw);
  spoken = { path, durationMs: readFileSync(path).length / 32 };
}, INSTALL_MS);

afterAll(async () => {
  await service.stop();
  recordings?.remove();
});

beforeEach(({ skip }) => {
  if (missing !== '') skip(missing);
  service.heard.length = 0;
});

const signal = AbortSignal.timeout(INSTALL_MS);
const remote = (more: object = {}) =>
  new RemoteSpeech({ url: `${service.url}/`, apiKey: 'key-1', model: 'model-1', ...more });

/** A service as good as it gets: it answers in the words of the sentence, twice. */
const hearing: SpeechService['answer'] = (response, { file }) => {
  const isSilent = file.subarray(44).every((byte) => byte === 0);
  const segments = [
    { id: 0, start: 1.1, end: 3.9, text: ` ${SENTENCE}` },
    { id: 1, start: 6.4, end: 9.2, text: ` ${SENTENCE}` },
  ];
  const said = isSilent ? [] : segments;
  const text = said.map((segment) => segment.text).join('');
  json(response, 200, { task: 'transcribe', language: 'en', duration: 10, text, segments: said });
};

describe.each<[string, () => Speech]>([
  ['pocketsphinx', () => new PocketsphinxSpeech({ programs })],
  [
    'remote',
    () => {
      service.answer = hearing;
      return remote();
    },
  ],
])('the engine %s', (engine, make) => {
  it('hears a sentence that is said twice, with its times', async () => {
    const speech = make();
    expect(speech.engine).toBe(engine);
    const { text, segments, language } = await speech.transcribe(spoken, { signal, language: 'en' });
    // Said by flite's rms; pocketsphinx was seen to hear all of it, and is given two words of eleven.
    expect(segments.length).toBe(2);
    for (const segment of segments) expect(wordErrors(SENTENCE, segment.text)).toBeLessThanOrEqual(2);
    expect(wordErrors(segments.map((segment) => segment.text).join(' '), text)).toBe(0);
    expect(language).toBe('en');
    const [first, second] = segments;
    expect(first?.startMs).toBeGreaterThan(800);
    expect(first?.endMs).toBeLessThan(second?.startMs ?? 0);
    expect(second?.endMs).toBeLessThanOrEqual(spoken.durationMs);
  });

  it('hears nothing in silence, and invents nothing', async () => {
    expect(await make().transcribe(silence, { signal })).toMatchObject({ text: '', segments: [] });
  });

  it('ends with the attempt, with its reason', async () => {
    const reason = new Error('the attempt is over');
    const speech = make();
    await expect(speech.transcribe(spoken, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const ending = new AbortController();
    service.answer = () => ending.abort(reason);
    const timer = setInterval(() => ending.abort(reason), 200);
    await expect(speech.transcribe(spoken, { signal: ending.signal })).rejects.toBe(reason);
    clearInterval(timer);
  });
});

describe('pocketsphinx', () => {
  it('says that it knows English only', async () => {
    const speech = new PocketsphinxSpeech({ programs });
    await expect(speech.transcribe(spoken, { signal, language: 'de' })).rejects.toMatchObject({
      code: 'work-refused',
      message: expect.stringContaining('SPEECH_URL'),
    });
  });

  it('says what to install where it is missing', async () => {
    vi.stubEnv('PATH', recordings.folder);
    const refusal = new PocketsphinxSpeech({ programs }).transcribe(spoken, { signal });
    await expect(refusal).rejects.toMatchObject({
      code: 'program-missing',
      message: expect.stringContaining('apt-get install pocketsphinx pocketsphinx-en-us'),
    });
    vi.unstubAllEnvs();
  });

  it('is read with care: noises, silences and other pronunciations are no words', () => {
    const output =
      'today\n<s> 1.0 1.2 1.0\ntoday(2) 1.20 1.50 0.9\n<sil> 1.5 1.6 0.4\n[NOISE] 1.6 1.7 0.2\n</s> 1.7 1.8 1\n\n';
    expect(segmentsOf(output)).toEqual([{ startMs: 1200, endMs: 1500, text: 'today' }]);
    expect(segmentsOf('')).toEqual([]);
    expect(segmentsOf('word 1.0 1.1 0.5\n')).toEqual([]);
  });
});

describe('a remote service', () => {
  it('gets a WAV file, the model, the language and the key', async () => {
    service.answer = hearing;
    await remote().transcribe(spoken, { signal, language: 'en' });
    const [heard] = service.heard;
    expect(heard).toMatchObject({
      path: '/v1/audio/transcriptions',
      authorization: 'Bearer key-1',
      fields: { model: 'model-1', response_format: 'verbose_json', language: 'en' },
    });
    const samples = readFileSync(spoken.path);
    expect(heard?.file.equals(Buffer.concat([wavHeader(samples.length), samples]))).toBe(true);
  });

  it('that tells no times gives one segment, and its own language', async () => {
    service.answer = (response) => json(response, 200, { text: ' Guten Tag ', language: 'german' });
    expect(await remote().transcribe(spoken, { signal })).toEqual({
      text: 'Guten Tag',
      language: 'german',
      segments: [{ startMs: 0, endMs: spoken.durationMs, text: 'Guten Tag' }],
    });
  });

  const refusal = (speech = remote()) =>
    speech.transcribe(silence, { signal }).then(
      () => undefined,
      (error) => error,
    );

  it.each(refusalsWith('key-1'))('that answers %s says whose fault it is', async (_what, expected) => {
    const { status, headers, body, says, ...means } = expected;
    service.answer = (response) => void response.writeHead(status, headers).end(body);
    const told = says.replace('{url}', 'SPEECH_URL').replace('{key}', 'SPEECH_API_KEY');
    const message = `The speech service answered ${told.replace('{model}', 'SPEECH_MODEL')}`;
    expect(await refusal()).toMatchObject({ ...means, message });
    expect(service.heard.length).toBe(1);
  });

  const failures: readonly (readonly [string, SpeechService['answer']])[] = [
    ['answers with something else', (response) => void response.end('<html>')],
    ['answers with other JSON', (response) => json(response, 200, { choices: [] })],
    [
      'cuts its answer in the middle',
      (response) => {
        response.writeHead(200, { 'content-length': '1000' }).write('{"text":"half');
        setImmediate(() => response.destroy());
      },
    ],
    ['hangs up', (response) => void response.destroy()],
  ];

  it.each(failures)('that %s is asked again', async (_name, answer) => {
    service.answer = answer;
    expect(await refusal()).toMatchObject({ code: 'provider-failed', retry: 'backoff' });
  });

  it('that is not there is asked again', async () => {
    expect(await refusal(remote({ url: 'http://127.0.0.1:9' }))).toMatchObject({ code: 'provider-failed' });
  });

  it('that sends a gigabyte is left after five megabytes', async () => {
    let sent = 0;
    let left: () => void = () => undefined;
    const gone = new Promise<void>((resolve) => {
      left = resolve;
    });
    const piece = Buffer.alloc(1_000_000, 'x');
    service.answer = (response) => {
      response.once('close', left);
      const more = () => {
        while (sent < 1000 && !response.destroyed) {
          sent += 1;
          if (!response.write(piece)) return void response.once('drain', more);
        }
      };
      more();
    };
    expect(await refusal()).toMatchObject({
      code: 'provider-failed',
      message: expect.stringContaining('5000000 bytes'),
    });
    await gone;
    expect(sent).toBeLessThan(50);
  });

  it('that sends a byte now and then is left when its time is over', async () => {
    let timer: NodeJS.Timeout | undefined;
    service.answer = (response) => {
      response.writeHead(200);
      timer = setInterval(() => response.write(' '), 20);
    };
    const begun = Date.now();
    expect(await refusal(remote({ timeoutMs: 300 }))).toMatchObject({
      code: 'provider-failed',
      message: expect.stringContaining('300 ms'),
    });
    expect(Date.now() - begun).toBeLessThan(5000);
    clearInterval(timer);
  });
});

describe('the choice of an engine', () => {
  const unset = { SPEECH_URL: undefined, SPEECH_API_KEY: undefined, SPEECH_MODEL: 'm', SPEECH_OFFLINE: 'on' } as const;

  it('takes the service that is set, else the offline one, else none', async () => {
    expect(chooseSpeech({ ...unset, SPEECH_URL: service.url }, programs).engine).toBe('remote');
    expect(chooseSpeech(unset, programs).engine).toBe('pocketsphinx');
    expect(chooseSpeech({ ...unset, SPEECH_OFFLINE: 'off' }, programs)).toBeInstanceOf(NoSpeech);
  });

  it('of none says what to set, and gives no text', async () => {
    await expect(new NoSpeech().transcribe()).rejects.toMatchObject({
      code: 'provider-not-configured',
      message: expect.stringContaining('SPEECH_URL'),
    });
  });

  it('is told to whoever asks how the service is', async () => {
    const state = (more: object = {}) => speechState({ ...unset, ...more }, programs);
    expect(await state()).toEqual({ name: 'speech', state: 'pocketsphinx', experimental: true });
    expect(await state({ SPEECH_URL: service.url })).toEqual({ name: 'speech', state: 'remote', experimental: false });
    const off = { state: 'not configured', reason: expect.stringContaining('SPEECH_URL') };
    expect(await state({ SPEECH_OFFLINE: 'off' })).toMatchObject(off);
    vi.stubEnv('PATH', recordings.folder);
    const missing = { state: 'not configured', reason: expect.stringContaining('apt-get install ffmpeg') };
    expect(await state({ SPEECH_URL: service.url })).toMatchObject(missing);
    vi.unstubAllEnvs();
  });
});
