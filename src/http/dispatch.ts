/**
 * From a row of the route table and a request to the row's handler.
 *
 * The order is the promise: who is it, may they, do the path and query fit, then the body is read and must fit, and only
 * then does the handler run. Whatever is thrown on the way becomes the answer. Of many items in one request each is
 * answered by itself; the request as a whole is refused as any other.
 */

import type { Request } from 'express';
import { AppError } from '../errors.ts';
import { DEFAULT_TENANT } from '../resources.ts';
import { readJsonText, requireFile, requireLines } from './body.ts';
import { sendContent } from './content.ts';
import { type Exchange, JSON_TYPE } from './exchange.ts';
import { fitting, jsonOf, refused } from './fitting.ts';
import { Items } from './items.ts';
import { elementsOf } from './json-elements.ts';
import { LineStream } from './line-stream.ts';
import type { Authenticate, Caller } from './middleware/authentication.ts';
import { queryOf } from './query.ts';
import type { BatchRoute, ItemSource, Route, RouteAnswer, Row, UploadRoute } from './route.ts';
import { RoutedRequest } from './routed-request.ts';
import { UploadStream } from './upload-stream.ts';

/** A path parameter, once decoded: printable ASCII without slashes and spaces. */
const PARAMETER = /^[!-.0-[\]-~]{1,256}$/;

const NOBODY: Caller = Object.freeze({ tenant: DEFAULT_TENANT, operator: false });
const NONE: Readonly<Record<string, never>> = Object.freeze({});

/** Run `route` for a request that Express has matched; never rejects. */
export async function dispatch(
  route: Row,
  authenticate: Authenticate,
  request: Request,
  exchange: Exchange,
): Promise<void> {
  try {
    const caller = route.access === 'open' ? NOBODY : await authenticate(request.headers);
    if (route.access === 'operator' && !caller.operator) throw new AppError('forbidden', 'This is for operators only.');
    if ('item' in route) return await dispatchItems(route, caller, request, exchange);
    if ('receive' in route) return await dispatchUpload(route, caller, request, exchange);
    const params = paramsFor(route, request.params);
    const query = queryFor(route, request.url);
    const bodyText = route.body === undefined ? '' : await readJsonText(request, route.maxBodyBytes);
    const body = route.body && fitting(route.body, jsonOf(bodyText, 'body'), 'The body is wrong.');
    const answer = await route.handle(new RoutedRequest(exchange, caller, params, query, body, bodyText));
    const { status = 200, headers = {}, content } = answer;
    if (content === undefined) exchange.answer(answer);
    else await sendContent(exchange, { status, headers, content });
  } catch (error) {
    exchange.fail(error);
  }
}

async function dispatchItems(route: BatchRoute, caller: Caller, request: Request, exchange: Exchange): Promise<void> {
  const query = queryFor(route, request.url);
  const routed = new RoutedRequest(exchange, caller, NONE, query);
  route.admit?.(routed);
  const items = new Items(route, routed);
  if (route.source.kind === 'list') {
    exchange.answer(await answerToList(items, request, route.source, route.noun));
  } else {
    requireLines(request);
    await new LineStream({ exchange, items, noun: route.noun }).run();
  }
}

async function dispatchUpload(route: UploadRoute, caller: Caller, request: Request, exchange: Exchange): Promise<void> {
  const routed = new RoutedRequest(exchange, caller, NONE, queryFor(route, request.url));
  requireFile(request, route.maxBytes);
  try {
    exchange.answer(await route.receive(new UploadStream(request, exchange.response), routed));
  } catch (error) {
    // What was not taken is not worth waiting for.
    exchange.fail(error, { close: !request.complete });
  }
}

/** 202 when all were accepted, 207 when some were not. Throws the first failure when none was and it was ours. */
async function answerToList(
  items: Items,
  request: Request,
  source: ItemSource & { kind: 'list' },
  noun: string,
): Promise<RouteAnswer> {
  const text = await readJsonText(request, source.maxBodyBytes);
  // All at once: the order of the list is the order in which they reach the handler.
  const answers = await Promise.all(elementsOf(text, source, noun).map((read) => items.take(read)));
  const { accepted, refused, failure } = items;
  if (accepted === 0 && failure !== undefined) throw failure;
  return {
    status: refused === 0 ? 202 : 207,
    text: `{"accepted":${accepted},"refused":${refused},"${source.member}":[${answers.join(',')}]}`,
    headers: { 'Content-Type': JSON_TYPE },
  };
}

function paramsFor(route: Route, params: Request['params']): unknown {
  for (const name in params) {
    const value = params[name];
    if (typeof value === 'string' && PARAMETER.test(value)) continue;
    const message = 'must be 1–256 printable ASCII characters without slashes and spaces';
    throw refused('The path is wrong.', [{ pointer: name, message }]);
  }
  return route.params === undefined ? params : fitting(route.params, params, 'The path is wrong.', nameOf);
}

function queryFor(route: Row, url: string): unknown {
  const schema = 'query' in route ? route.query : undefined;
  if (schema === undefined && (route.access === 'open' || !url.includes('?'))) return NONE;
  const query = queryOf(url);
  if (schema !== undefined) return fitting(schema, query, 'The query parameters are wrong.', nameOf);
  const problems = Object.keys(query).map((name) => ({ pointer: name, message: 'is not a known parameter' }));
  if (problems.length > 0) throw refused('This path takes no query parameters.', problems);
  return query;
}

/** Parameters are named, not pointed at. */
function nameOf(pointer: string): string {
  return pointer.slice(1);
}
