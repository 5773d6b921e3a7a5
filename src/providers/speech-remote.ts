/**
 * Speech to text by a service that speaks the OpenAI protocol: `POST {SPEECH_URL}/v1/audio/transcriptions`.
 *
 * Promises: a call ends within its time, however slowly the answer comes; at most 5 MB of it are read; a redirect is not
 * followed, so the key goes to one place. 429 is `provider-busy` (later, no attempt spent, after Retry-After), a failure
 * of the service or of the way to it `provider-failed` (tried again), any other refusal `provider-refused` (for good).
 */

import { openAsBlob } from 'node:fs';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { readBounded, retryAfterSeconds } from './provider-answer.ts';
import type { Segment, Speech, TranscribeOptions, Transcript } from './speech.ts';
import { wavHeader } from './wav.ts';

export interface RemoteSpeechOptions {
  /** Base address, without `/v1`. */
  readonly url: string;
  readonly apiKey: string | undefined;
  readonly model: string;
  /** Milliseconds that a call may take; 5 minutes unless told. */
  readonly timeoutMs?: number;
}

const CALL_MS = 300_000;
const ANSWER_BYTES = 5_000_000;
const PATH = '/v1/audio/transcriptions';

const answer = z.object({
  text: z.string().max(200_000),
  language: z.string().max(64).optional(),
  segments: z
    .array(z.object({ start: z.number().min(0), end: z.number().min(0), text: z.string() }))
    .max(20_000)
    .optional(),
});
const refusal = z.object({ error: z.object({ message: z.string() }) });

export class RemoteSpeech implements Speech {
  readonly engine = 'remote';
  readonly #url: string;
  readonly #apiKey: string | undefined;
  readonly #model: string;
  readonly #timeoutMs: number;

  constructor({ url, apiKey, model, timeoutMs = CALL_MS }: RemoteSpeechOptions) {
    this.#url = url.replace(/\/+$/, '') + PATH;
    this.#apiKey = apiKey;
    this.#model = model;
    this.#timeoutMs = timeoutMs;
  }

  async transcribe(sound: { path: string; durationMs: number }, options: TranscribeOptions): Promise<Transcript> {
    const body = await this.#form(sound.path, options.language);
    const over = AbortSignal.timeout(this.#timeoutMs);
    try {
      const response = await fetch(this.#url, {
        method: 'POST',
        body,
        headers: this.#apiKey === undefined ? {} : { authorization: `Bearer ${this.#apiKey}` },
        redirect: 'manual',
        signal: AbortSignal.any([options.signal, over]),
      });
      const text = await readBounded(response, ANSWER_BYTES);
      if (!response.ok) throw refuse(response, text);
      return toTranscript(text, sound.durationMs, options.language);
    } catch (error) {
      options.signal.throwIfAborted();
      if (error instanceof AppError) throw error;
      const why = over.aborted ? `no whole answer within ${this.#timeoutMs} ms` : 'the connection failed or broke off';
      throw new AppError('provider-failed', `The speech service failed: ${why}.`, { cause: error });
    }
  }

  async #form(path: string, language: string | undefined): Promise<FormData> {
    const samples = await openAsBlob(path);
    const form = new FormData();
    form.set('file', new Blob([wavHeader(samples.size), samples], { type: 'audio/wav' }), 'audio.wav');
    form.set('model', this.#model);
    form.set('response_format', 'verbose_json');
    if (language !== undefined) form.set('language', language);
    return form;
  }
}

function refuse({ status, headers }: Response, text: string): AppError {
  if (status === 429) {
    const options = { retryAfterSeconds: retryAfterSeconds(headers) };
    return new AppError('provider-busy', 'The speech service asks to come later.', options);
  }
  if (status >= 500 || status === 408) return new AppError('provider-failed', `The speech service answered ${status}.`);
  const told = status === 401 || status === 403 ? 'Look at SPEECH_API_KEY.' : toldWhy(text);
  return new AppError('provider-refused', `The speech service answered ${status}. ${told}`.trim());
}

function toldWhy(text: string): string {
  const read = refusal.safeParse(parseJson(text));
  return read.success ? read.data.error.message.slice(0, 200) : '';
}

function toTranscript(text: string, durationMs: number, asked: string | undefined): Transcript {
  const read = answer.safeParse(parseJson(text));
  if (!read.success)
    throw new AppError('provider-failed', 'The speech service answered with something else than text.');
  const { language = asked ?? 'unknown', segments = [] } = read.data;
  const said = read.data.text.trim();
  const ms = (seconds: number) => Math.min(durationMs, Math.round(seconds * 1000));
  const parts: Segment[] = segments.map(({ start, end, text: part }) => {
    return { startMs: ms(start), endMs: Math.max(ms(start), ms(end)), text: part.trim() };
  });
  const whole = said === '' ? [] : [{ startMs: 0, endMs: durationMs, text: said }];
  return { text: said, segments: parts.length > 0 ? parts : whole, language };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // What it is instead is told by the schema.
    return undefined;
  }
}
