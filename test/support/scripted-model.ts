/** A model that says what a test wrote down: for tests of what is around a model. Keeps what `model.ts` promises. */

import { AppError } from '../../src/errors.ts';
import type { Model, ModelMessage, ModelReply, ModelStatus, ReplyOptions } from '../../src/providers/model.ts';

/** What is said to the last message: pieces of text, or an error that is thrown. A promise is waited for. */
export type Script = (messages: readonly ModelMessage[]) => readonly string[] | Error | Promise<readonly string[]>;

export class ScriptedModel implements Model {
  readonly configured: boolean;
  readonly calls: (readonly ModelMessage[])[] = [];
  readonly #script: Script;

  constructor(script: Script, configured = true) {
    this.#script = script;
    this.configured = configured;
  }

  async reply(messages: readonly ModelMessage[], { signal, onToken }: ReplyOptions): Promise<ModelReply> {
    signal.throwIfAborted();
    if (!this.configured) throw new AppError('provider-not-configured', 'There is no model.');
    this.calls.push(messages);
    const said = await Promise.race([this.#script(messages), rejectionOf(signal)]);
    if (said instanceof Error) throw said;
    for (const piece of said) onToken?.(piece);
    const text = said.join('').trim();
    if (text === '') throw new AppError('provider-failed', 'The model said nothing.');
    return { text, promptTokens: messages.length, completionTokens: said.length };
  }

  async status(): Promise<ModelStatus> {
    return this.configured ? 'available' : 'not configured';
  }
}

function rejectionOf(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
