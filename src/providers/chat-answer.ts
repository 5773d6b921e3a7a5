/**
 * The answer of a chat endpoint, put together from its events. Pure: events in, a whole answer or an error out.
 *
 * Promises: an answer counts only when the endpoint has said that it is finished; a stream that breaks off, says an
 * error, or holds something else than the protocol has is `provider-failed`; a text has at most `textCharacters`.
 */

import { z } from 'zod';
import { AppError } from '../errors.ts';
import type { ModelReply } from './model.ts';

/** What PostgreSQL can count. */
const count = z.int().min(0).max(1_000_000_000);

const eventSchema = z.object({
  choices: z
    .array(
      z.object({
        delta: z.object({ content: z.string().nullish() }).nullish(),
        finish_reason: z.string().nullish(),
      }),
    )
    .nullish(),
  usage: z.object({ prompt_tokens: count, completion_tokens: count }).nullish(),
  error: z.union([z.string(), z.object({ message: z.string().nullish() })]).nullish(),
});

const CHARACTERS_PER_TOKEN = 4;

export class ChatAnswer {
  readonly #textCharacters: number;
  readonly #pieces: string[] = [];
  #length = 0;
  #reason: string | undefined;
  #done = false;
  #usage: { prompt_tokens: number; completion_tokens: number } | undefined;

  constructor(textCharacters: number) {
    this.#textCharacters = textCharacters;
  }

  /** Has the endpoint said that nothing more comes? */
  get done(): boolean {
    return this.#done;
  }

  /** Take an event; returns the piece of text in it. */
  add(data: string): string {
    if (data === '[DONE]') {
      this.#done = true;
      return '';
    }
    const { choices, usage, error } = parseEvent(data);
    if (error != null)
      throw failed(`said: ${(typeof error === 'string' ? error : (error.message ?? '')).slice(0, 500)}`);
    this.#usage = usage ?? this.#usage;
    const choice = choices?.[0];
    this.#reason = choice?.finish_reason ?? this.#reason;
    const piece = choice?.delta?.content ?? '';
    this.#length += piece.length;
    if (this.#length > this.#textCharacters) throw failed(`wrote more than ${this.#textCharacters} characters`);
    if (piece !== '') this.#pieces.push(piece);
    return piece;
  }

  /** The whole answer to `asked` characters. Throws when it is not whole, or empty. */
  finish(asked: number): ModelReply {
    if (!this.#done && this.#reason === undefined) throw failed('broke off in the middle of its answer');
    // PostgreSQL takes no NUL, and no half of a pair; a model that writes one means nothing by it.
    const text = this.#pieces
      .join('')
      .replaceAll('\0', '')
      .replace(/\p{Cs}/gu, '\ufffd')
      .trim();
    if (text === '' && this.#reason === 'content_filter') {
      throw new AppError('provider-refused', 'The provider’s filter let nothing of the answer through.');
    }
    if (text === '') throw failed('gave an empty answer');
    return {
      text,
      promptTokens: this.#usage?.prompt_tokens ?? Math.ceil(asked / CHARACTERS_PER_TOKEN),
      completionTokens: this.#usage?.completion_tokens ?? Math.ceil(text.length / CHARACTERS_PER_TOKEN),
    };
  }
}

function parseEvent(data: string): z.output<typeof eventSchema> {
  try {
    return eventSchema.parse(JSON.parse(data));
  } catch (error) {
    throw new AppError('provider-failed', 'The provider sent an event that is no part of a chat answer.', {
      cause: error,
    });
  }
}

function failed(what: string): AppError {
  return new AppError('provider-failed', `The provider ${what}.`);
}
