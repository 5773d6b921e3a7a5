/** What a handler sees of a request; the logger and the signal are made when it asks for them. */

import type { Logger } from '../logger.ts';
import type { Exchange } from './exchange.ts';
import type { Caller } from './middleware/authentication.ts';
import type { RouteRequest } from './route.ts';

export class RoutedRequest implements RouteRequest {
  readonly tenant: string;
  readonly operator: boolean;
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
  readonly bodyText: string;
  readonly #exchange: Exchange;

  constructor(
    exchange: Exchange,
    caller: Caller,
    params: unknown,
    query: unknown,
    body: unknown = undefined,
    bodyText = '',
  ) {
    this.#exchange = exchange;
    this.tenant = caller.tenant;
    this.operator = caller.operator;
    this.params = params;
    this.query = query;
    this.body = body;
    this.bodyText = bodyText;
  }

  get requestId(): string {
    return this.#exchange.requestId;
  }

  get namedByCaller(): boolean {
    return this.#exchange.namedByCaller;
  }

  get logger(): Logger {
    return this.#exchange.logger;
  }

  get signal(): AbortSignal {
    return this.#exchange.signal;
  }

  get header(): (name: string) => string | undefined {
    return (name) => {
      const value = this.#exchange.request.headers[name.toLowerCase()];
      return Array.isArray(value) ? value.join(', ') : value;
    };
  }
}
