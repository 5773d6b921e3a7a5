/**
 * Speech to text by a service that speaks the OpenAI protocol: `POST {SPEECH_URL}/v1/audio/transcriptions`.
 *
 * Promises: a call ends within its time, however slowly the answer comes; at most 5 MB of it are read; a redirect is not
 * followed, so the key goes to one place. What a refusal means is the table of `provider-refusal.ts`; an answer that
 * breaks off, is too long or is none is `provider-failed` (tried again).
 */

import { openAsBlob } from 'node:fs';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { beginningOf } from './provider-answer.ts';
import { type Provider, refusalOf } from './provider-refusal.ts';
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
const VARIABLES = { url: 'SPEECH_URL', key: 'SPEECH_API_KEY', model: 'SPEECH_MODEL' };

const answer = z.object({
  text: z.string().max(200_000),
  language: z.string().max(64).optional(),
  segments: z
    .array(z.object({ start: z.number().min(0), end: z.number().min(0), text: z.string() }))
    .max(20_000)
    .optional(),
});

export class RemoteSpeech implements Speech {
  readonly engine = 'remote';
  readonly #url: string;
  readonly #provider: Provider;
  readonly #model: string;
  readonly #timeoutMs: number;

  constructor({ url, apiKey, model, timeoutMs = CALL_MS }: RemoteSpeechOptions) {
    this.#url = url.replace(/\/+$/, '') + PATH;
    this.#provider = { who: 'The speech service', apiKey, variables: VARIABLES };
    this.#model = model;
    this.#timeoutMs = timeoutMs;
  }

  async transcribe(sound: { path: string; durationMs: number }, options: TranscribeOptions): Promise<Transcript> {
    const body = await this.#form(sound.path, options.language);
    const { apiKey } = this.#provider;
    const over = AbortSignal.timeout(this.#timeoutMs);
    try {
      const response = await fetch(this.#url, {
        method: 'POST',
        body,
        headers: apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` },
        redirect: 'manual',
        signal: AbortSignal.any([options.signal, over]),
      });
      if (!response.ok) throw await refusalOf(response, this.#provider);
      const { text, whole } = await beginningOf(response, ANSWER_BYTES);
      if (!whole) throw failed(`it answered with more than ${ANSWER_BYTES} bytes`);
      return toTranscript(text, sound.durationMs, options.language);
    } catch (error) {
      options.signal.throwIfAborted();
      if (error instanceof AppError) throw error;
      const why = over.aborted ? `no whole answer within ${this.#timeoutMs} ms` : 'the connection failed or broke off';
      throw failed(why, error);
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

function failed(why: string, cause?: unknown): AppError {
  return new AppError('provider-failed', `The speech service failed: ${why}.`, { cause });
}

function toTranscript(text: string, durationMs: number, asked: string | undefined): Transcript {
  const read = answer.safeParse(parseJson(text));
  if (!read.success) throw failed('it answered with something else than text');
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
