/**
 * The items of one request: each is read, fitted and handled by itself, and has an answer of its own.
 *
 * Promises: items reach the handler in the order in which they are taken, without a wait between them; one that is wrong
 * or fails spoils no other; what failed unexpectedly is logged with its cause, once for a request.
 */

import type { AppError } from '../errors.ts';
import { fitting } from './fitting.ts';
import { problemMember, toAppError } from './problem.ts';
import type { BatchRequest, BatchRoute } from './route.ts';

export class Items {
  readonly #route: BatchRoute;
  readonly #request: BatchRequest;
  #accepted = 0;
  #refused = 0;
  #failure: AppError | undefined;
  #logged = false;

  constructor(route: BatchRoute, request: BatchRequest) {
    this.#route = route;
    this.#request = request;
  }

  /** How many were accepted so far. */
  get accepted(): number {
    return this.#accepted;
  }

  /** How many were refused so far. */
  get refused(): number {
    return this.#refused;
  }

  /** The first refusal that was not the caller's fault, such as a store that is away. */
  get failure(): AppError | undefined {
    return this.#failure;
  }

  /** Take one item: `read` gives it, or throws why not. The JSON text of its answer, an object; never rejects. */
  async take(read: () => unknown): Promise<string> {
    const { item, noun } = this.#route;
    try {
      const value = fitting(item, read(), `The ${noun} is wrong.`);
      const text = JSON.stringify(await this.#route.handleItem(value, this.#request));
      this.#accepted++;
      return text;
    } catch (thrown) {
      return this.#refuse(toAppError(thrown));
    }
  }

  #refuse(error: AppError): string {
    this.#refused++;
    if (error.status >= 500) this.#failure ??= error;
    if (error.code === 'internal' && !this.#logged) {
      this.#logged = true;
      this.#request.logger.error({ err: error.cause ?? error }, `a ${this.#route.noun} of a batch failed`);
    }
    return problemMember(error);
  }
}
