/** The HTTP API as the demo uses it. */

import { z } from 'zod';
import { AppError } from '../../errors.ts';

/** Seconds that a job may take before the demo asks again, and how often it asks. */
const WAIT_SECONDS = 30;
const MOST_ASKS = 6;
const CALL_MS = 40_000;

export const jobAnswer = z.object({ id: z.string(), state: z.string(), result: z.unknown().optional() });

/** Calls of one service, with the caller's key. */
export class Api {
  readonly #base: string;
  readonly #headers: Record<string, string>;

  constructor(base: string, key: string | undefined) {
    this.#base = base;
    this.#headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  }

  /** Where to look at a path in a browser. */
  link(path: string): string {
    return new URL(path, this.#base).href;
  }

  /** Call and read the answer. Throws `work-refused` for a refusal, `store-unavailable` when nothing answers. */
  async call<T>(schema: z.ZodType<T>, method: 'GET' | 'POST', path: string, body?: unknown): Promise<T> {
    const json = body === undefined ? undefined : JSON.stringify(body);
    return this.#read(schema, method, path, await this.#fetch(method, path, 'application/json', json));
  }

  /** Send the bytes of a file, and read the answer. Throws as `call` does. */
  async upload<T>(schema: z.ZodType<T>, path: string, content: Buffer): Promise<T> {
    const response = await this.#fetch('POST', path, 'application/octet-stream', content);
    return this.#read(schema, 'POST', path, response);
  }

  async #read<T>(schema: z.ZodType<T>, method: string, path: string, response: Response): Promise<T> {
    const answer: unknown = await response.json();
    if (response.ok) return schema.parse(answer);
    throw new AppError('work-refused', `${method} ${path} answered ${response.status}: ${JSON.stringify(answer)}`);
  }

  async #fetch(method: string, path: string, type: string, body: string | Buffer | undefined): Promise<Response> {
    try {
      return await fetch(this.#base + path, {
        method,
        headers: { ...this.#headers, 'content-type': type },
        signal: AbortSignal.timeout(CALL_MS),
        ...(body !== undefined && { body }),
      });
    } catch (error) {
      const cure = 'Start the service with `npm start` in another terminal, or name it with --url.';
      throw new AppError('store-unavailable', `Nothing answers at ${this.#base}. ${cure}`, { cause: error });
    }
  }
}

/** Wait until a job has completed; its result. Throws `work-refused` when it is dead, cancelled or does not end. */
export async function untilCompleted(api: Api, id: string): Promise<unknown> {
  for (let ask = 0; ask < MOST_ASKS; ask++) {
    const { state, result } = await api.call(jobAnswer, 'GET', `/v1/jobs/${id}?wait=${WAIT_SECONDS}`);
    if (state === 'completed') return result;
    if (state === 'dead' || state === 'cancelled') throw new AppError('work-refused', `Job ${id} is ${state}.`);
  }
  throw new AppError(
    'work-refused',
    `Job ${id} did not finish within ${MOST_ASKS * WAIT_SECONDS} s. Does a worker run?`,
  );
}
