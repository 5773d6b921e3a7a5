/**
 * From a row of the route table and a request to the row's handler.
 *
 * The order is the promise: who is it, may they, do the path and query fit, then the body is read and must fit, and only
 * then does the handler run. Whatever is thrown on the way becomes the answer.
 */

import type { Request } from 'express';
import type { z } from 'zod';
import { AppError, type Problem } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { problemsFromZod } from '../problems.ts';
import { DEFAULT_TENANT } from '../resources.ts';
import { readJsonText } from './body.ts';
import type { Exchange } from './exchange.ts';
import type { Authenticate, Caller } from './middleware/authentication.ts';
import { queryOf } from './query.ts';
import type { Route, RouteRequest } from './route.ts';
import { parseStrictJson } from './strict-json.ts';

/** A path parameter, once decoded: printable ASCII without slashes and spaces. */
const PARAMETER = /^[!-.0-[\]-~]{1,256}$/;

const NOBODY: Caller = Object.freeze({ tenant: DEFAULT_TENANT, operator: false });

/** Run `route` for a request that Express has matched; never rejects. */
export async function dispatch(
  route: Route,
  authenticate: Authenticate,
  request: Request,
  exchange: Exchange,
): Promise<void> {
  try {
    const caller = route.access === 'open' ? NOBODY : await authenticate(request.headers);
    if (route.access === 'operator' && !caller.operator) throw new AppError('forbidden', 'This is for operators only.');
    const params = paramsFor(route, request.params);
    const query = queryFor(route, request.url);
    const bodyText = route.body === undefined ? '' : await readJsonText(request);
    const body = route.body === undefined ? undefined : bodyFor(route.body, bodyText);
    exchange.answer(await route.handle(new RoutedRequest(exchange, caller, params, query, body, bodyText)));
  } catch (error) {
    exchange.fail(error);
  }
}

function paramsFor(route: Route, params: Request['params']): unknown {
  for (const [name, value] of Object.entries(params)) {
    if (typeof value === 'string' && PARAMETER.test(value)) continue;
    const message = 'must be 1–256 printable ASCII characters without slashes and spaces';
    throw refused('The path is wrong.', [{ pointer: name, message }]);
  }
  return route.params === undefined ? params : fitting(route.params, params, 'The path is wrong.', nameOf);
}

function queryFor(route: Route, url: string): unknown {
  if (route.query === undefined && route.access === 'open') return {};
  const query = queryOf(url);
  if (route.query !== undefined) return fitting(route.query, query, 'The query parameters are wrong.', nameOf);
  const problems = Object.keys(query).map((name) => ({ pointer: name, message: 'is not a known parameter' }));
  if (problems.length > 0) throw refused('This path takes no query parameters.', problems);
  return query;
}

function bodyFor(schema: z.ZodType, text: string): unknown {
  const parsed = parseStrictJson(text);
  if (parsed.ok) return fitting(schema, parsed.value, 'The body is wrong.');
  if (parsed.code === 'invalid-input') throw refused('The body is wrong.', parsed.problems);
  throw new AppError('malformed-json', `The body ${parsed.problems[0]?.message ?? 'is not valid JSON'}.`);
}

function fitting(schema: z.ZodType, value: unknown, detail: string, place = (pointer: string) => pointer): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = problemsFromZod(result.error);
  throw refused(
    detail,
    problems.map(({ pointer, message }) => ({ pointer: place(pointer), message })),
  );
}

/** Parameters are named, not pointed at. */
function nameOf(pointer: string): string {
  return pointer.slice(1);
}

function refused(detail: string, problems: readonly Problem[]): AppError {
  return new AppError('invalid-input', detail, { problems });
}

/** What the handler sees; the logger and the signal are made when it asks for them. */
class RoutedRequest implements RouteRequest {
  readonly tenant: string;
  readonly operator: boolean;
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
  readonly bodyText: string;
  readonly #exchange: Exchange;

  constructor(exchange: Exchange, caller: Caller, params: unknown, query: unknown, body: unknown, bodyText: string) {
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

  get logger(): Logger {
    return this.#exchange.logger;
  }

  get signal(): AbortSignal {
    return this.#exchange.signal;
  }

  readonly header = (name: string): string | undefined => {
    const value = this.#exchange.request.headers[name.toLowerCase()];
    return Array.isArray(value) ? value.join(', ') : value;
  };
}
