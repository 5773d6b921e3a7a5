/**
 * A language model, as the rest of the service sees it.
 *
 * Promises of every implementation: an answer is whole or there is none; it is bounded in size; nothing waits for ever,
 * and nothing goes on after the signal has aborted. What went wrong is an `AppError` whose code says what to do:
 * `provider-not-configured` and `provider-refused` for good, `provider-busy` after a time, `provider-failed` again.
 */

/** One message of what a model is told. */
export interface ModelMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export interface ReplyOptions {
  /** Ends the call; its reason is what `reply` then rejects with. */
  readonly signal: AbortSignal;
  /** Told of each piece of text as it comes. Must not throw. */
  readonly onToken?: (piece: string) => void;
}

/** A whole answer. Where the provider does not count tokens, they are estimated: four characters each. */
export interface ModelReply {
  readonly text: string;
  readonly promptTokens: number;
  readonly completionTokens: number;
}

/** How the model is, as `/health` says it. */
export type ModelStatus = 'available' | 'unavailable' | 'not configured';

export interface Model {
  /** Is there an endpoint to ask? */
  readonly configured: boolean;
  /** Have the model answer the last message. */
  reply(messages: readonly ModelMessage[], options: ReplyOptions): Promise<ModelReply>;
  /** Does its endpoint answer? Never rejects; takes at most 1 s. */
  status(): Promise<ModelStatus>;
}
