/**
 * A model behind an OpenAI-compatible endpoint: `POST {AI_BASE_URL}/chat/completions`, answered as a stream.
 *
 * Promises: as `model.ts` says. A call takes at most `totalMs`; a stream of anything is cut off at 16 MB, a text at
 * 100,000 characters; redirects are not followed, and the key stands in no error. Nothing is kept between calls.
 */

import { AppError, messageOf } from '../errors.ts';
import { CallLimits, type CallTimes } from './call-limits.ts';
import { ChatAnswer } from './chat-answer.ts';
import { readEvents } from './event-stream.ts';
import type { Model, ModelMessage, ModelReply, ModelStatus, ReplyOptions } from './model.ts';
import { refusalOf } from './provider-refusal.ts';

export interface ChatModelOptions {
  /** Such as `http://127.0.0.1:8080/v1`. Undefined: the model is not configured. */
  readonly baseUrl: string | undefined;
  readonly name: string;
  /** Sent as a Bearer token. */
  readonly apiKey?: string | undefined;
  /** Most tokens of a reply; 0: the endpoint decides. */
  readonly maxTokens?: number;
  readonly times?: CallTimes;
}

const TIMES: CallTimes = { firstByteMs: 30_000, idleMs: 20_000, totalMs: 110_000 };
const MB = 1024 * 1024;
const TEXT_CHARACTERS = 100_000;
const STREAM = { streamBytes: 16 * MB, eventCharacters: MB };
const VARIABLES = { url: 'AI_BASE_URL', key: 'AI_API_KEY', model: 'AI_MODEL' };
const PROBE_MS = 1000;
/** Milliseconds for which the endpoint is not asked again how it is. */
const PROBE_FRESH_MS = 5000;

export class ChatModel implements Model {
  readonly #options: ChatModelOptions;
  readonly #times: CallTimes;
  #probe: { readonly atMs: number; readonly status: Promise<ModelStatus> } | undefined;

  constructor(options: ChatModelOptions) {
    this.#options = options;
    this.#times = options.times ?? TIMES;
  }

  get configured(): boolean {
    return this.#options.baseUrl !== undefined;
  }

  async reply(messages: readonly ModelMessage[], { signal, onToken = () => {} }: ReplyOptions): Promise<ModelReply> {
    signal.throwIfAborted();
    const limits = new CallLimits(this.#times, signal);
    try {
      const response = await fetch(this.#url('chat/completions'), {
        method: 'POST',
        headers: { ...this.#headers(), 'content-type': 'application/json', accept: 'text/event-stream' },
        body: JSON.stringify(this.#request(messages)),
        redirect: 'manual',
        signal: limits.signal,
      });
      const body = await this.#bodyOf(response, limits);
      const answer = new ChatAnswer(TEXT_CHARACTERS);
      for await (const data of readEvents(body, STREAM, () => limits.heard())) {
        const piece = answer.add(data);
        if (piece !== '') onToken(piece);
        if (answer.done) break;
      }
      return answer.finish(messages.reduce((sum, { content }) => sum + content.length, 0));
    } catch (error) {
      // Whatever the call says of its own end, who ended it knows why. A refusal stands, also one that was cut off.
      signal.throwIfAborted();
      if (error instanceof AppError) throw error;
      limits.signal.throwIfAborted();
      throw this.#unreached(error);
    } finally {
      limits.end();
    }
  }

  status(): Promise<ModelStatus> {
    if (!this.configured) return Promise.resolve('not configured');
    if (this.#probe === undefined || Date.now() - this.#probe.atMs > PROBE_FRESH_MS) {
      this.#probe = { atMs: Date.now(), status: this.#ask() };
    }
    return this.#probe.status;
  }

  /** Any answer will do that is no failure of the server's own: not every endpoint lists its models. */
  async #ask(): Promise<ModelStatus> {
    try {
      const signal = AbortSignal.timeout(PROBE_MS);
      const response = await fetch(this.#url('models'), { headers: this.#headers(), redirect: 'manual', signal });
      await response.body?.cancel();
      return response.status < 500 ? 'available' : 'unavailable';
    } catch {
      return 'unavailable';
    }
  }

  /** The stream of an answer. Throws what any other answer means, and reads little of it. */
  async #bodyOf(response: Response, limits: CallLimits): Promise<ReadableStream<Uint8Array>> {
    const { body, headers } = response;
    const isStream = headers.get('content-type')?.startsWith('text/event-stream') === true;
    if (response.ok && body !== null && isStream) return body;
    if (response.ok) {
      await body?.cancel();
      throw new AppError('provider-failed', 'The provider answered with something else than a stream of events.');
    }
    limits.heard();
    throw await refusalOf(response, { who: 'The provider', apiKey: this.#options.apiKey, variables: VARIABLES });
  }

  #request(messages: readonly ModelMessage[]) {
    const { name, maxTokens = 0 } = this.#options;
    return {
      model: name,
      messages,
      stream: true,
      stream_options: { include_usage: true },
      ...(maxTokens > 0 && { max_tokens: maxTokens }),
    };
  }

  #headers(): Record<string, string> {
    const { apiKey } = this.#options;
    return apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  }

  #url(path: string): string {
    const { baseUrl } = this.#options;
    if (baseUrl !== undefined) return `${baseUrl.replace(/\/+$/, '')}/${path}`;
    throw new AppError('provider-not-configured', 'AI_BASE_URL is not set, so there is no model to write replies.');
  }

  #unreached(error: unknown): AppError {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    const why = error instanceof Error && error.message === 'terminated' ? 'broke off in the middle' : messageOf(cause);
    return new AppError('provider-failed', `The provider could not be heard to the end: ${why}.`, { cause: error });
  }
}
