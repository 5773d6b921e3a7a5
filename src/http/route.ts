/**
 * A route as data: what is asked for, who may ask, what must fit, and the function that answers.
 *
 * The same rows drive the router (`app.ts`), the 405 answers and the API's description. A handler sees only values that
 * fitted: it never touches Express, the socket or a header that was not asked for by name.
 */

import type { Readable } from 'node:stream';
import type { z } from 'zod';
import type { Logger } from '../logger.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** Who may ask: anybody; whoever `authenticate` knows; or a caller who may do what concerns all tenants. */
export type Access = 'open' | 'caller' | 'operator';

/** The names after `:` in a path: `/v1/jobs/:id` gives `{ id: string }`. */
export type PathParams<Path extends string> = Readonly<Record<ParamName<Path>, string>>;

type ParamName<Path extends string> = Path extends `${string}/:${infer Name}/${infer Rest}`
  ? Name | ParamName<`/${Rest}`>
  : Path extends `${string}/:${infer Name}`
    ? Name
    : never;

/** What a handler is given. */
export interface RouteRequest<Params = unknown, Query = unknown, Body = unknown> {
  /** The caller's tenant; the default tenant on an open route. */
  readonly tenant: string;
  /** May the caller see and do what concerns all tenants? False on an open route. */
  readonly operator: boolean;
  /** Path parameters: decoded, 1–256 printable ASCII characters, and what the route's schema makes of them. */
  readonly params: Params;
  /** Query parameters, as the route's schema gives them; an empty object when it has none. */
  readonly query: Query;
  /** The body, as the route's schema gives it; undefined when it has none. */
  readonly body: Body;
  /** The body as it came, decoded: for hashing. Empty when the route has no body. */
  readonly bodyText: string;
  /** The caller's `X-Request-Id`, or a number of ours that nothing else has. */
  readonly requestId: string;
  /** Is it the caller's? */
  readonly namedByCaller: boolean;
  /** Bound to the request id. */
  readonly logger: Logger;
  /** Aborts when the client has gone before the answer was sent. */
  readonly signal: AbortSignal;
  /** A header's value; the name in any case. */
  readonly header: (name: string) => string | undefined;
}

/** The bytes of an answer that is a file. */
export interface Content {
  /** Closed by who sends it. */
  readonly stream: Readable;
  /** How many there are. */
  readonly bytes: number;
}

/** What a handler gives back: `body` becomes JSON, `text` and `content` go out as they are; nothing, without a status, is 204. */
export interface RouteAnswer {
  /** HTTP status; default 200, or 204 when there is nothing to say. */
  readonly status?: number;
  /** A value for `JSON.stringify`. */
  readonly body?: unknown;
  /** A text sent as it is; `text/plain` in UTF-8 unless `Content-Type` is among the headers. */
  readonly text?: string;
  /** A file, sent as the client takes it; `Content-Type` stands among the headers. */
  readonly content?: Content;
  /** Extra headers. `Content-Type`, `Cache-Control` (default `no-store`) and `Content-Security-Policy` may be replaced here. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** One row of the table. */
export interface Route<Params = unknown, Query = unknown, Body = unknown> {
  readonly method: Method;
  /** Express 5 path with `:name` parameters; matched exactly, case and trailing slash included. */
  readonly path: string;
  readonly access: Access;
  /** One sentence for the API's description. */
  readonly about: string;
  /** What the path parameters must be, beyond 1–256 printable ASCII characters. */
  readonly params?: z.ZodType<Params>;
  /** What the query parameters must be. Without it an `open` route ignores them and any other refuses them all. */
  readonly query?: z.ZodType<Query>;
  /** What the JSON body must be. Without it a body is not read. */
  readonly body?: z.ZodType<Body>;
  /** The most bytes the body may have, as sent and once decoded; default 256 KB. */
  readonly maxBodyBytes?: number;
  /** Asked for far more often than the rest: the router looks for it first. */
  readonly busy?: true;
  /** Answer, or throw an `AppError`. */
  handle(request: RouteRequest<Params, Query, Body>): Promise<RouteAnswer>;
}

/** A row whose handler is typed by its own path and schemas; what comes out fits in one list with every other row. */
export function defineRoute<
  const Path extends string,
  Params = PathParams<Path>,
  Query = Readonly<Record<string, never>>,
  Body = undefined,
>(route: Route<Params, Query, Body> & { readonly path: Path }): Route {
  return route;
}

/** What is known of a request that brings many items, before the first of them. */
export type BatchRequest = Pick<RouteRequest, 'tenant' | 'operator' | 'requestId' | 'logger' | 'header'>;

/** Where the items of a request are. */
export type ItemSource =
  /** In one JSON document of at most `maxBodyBytes`: the elements of the list `member`, 1 to `most` of them. */
  | { readonly kind: 'list'; readonly member: string; readonly most: number; readonly maxBodyBytes: number }
  /** One a line, as they come (NDJSON); answered line by line. */
  | { readonly kind: 'lines' };

/** A row whose request brings many items, each of which is accepted or refused by itself. */
export interface BatchRoute<Item = unknown> {
  readonly method: 'POST';
  /** As in `Route`, without parameters. */
  readonly path: string;
  readonly access: Access;
  /** One sentence for the API's description. */
  readonly about: string;
  readonly source: ItemSource;
  /** What one item is called in a refusal: `job`. */
  readonly noun: string;
  /** What each item must be. */
  readonly item: z.ZodType<Item>;
  /** Throws an `AppError` when the request as a whole cannot be; the body has not been read. */
  admit?(request: BatchRequest): void;
  /** The answer to one item, a non-empty object; or reject with an `AppError`. Called in the order of the items, without a wait between them. */
  handleItem(item: Item, request: BatchRequest): Promise<object>;
}

/** What is known of a request that brings a file. */
export type UploadRequest = BatchRequest & Pick<RouteRequest, 'signal'>;

/** A row whose body is one file, taken as it comes. */
export interface UploadRoute {
  readonly method: 'POST';
  /** As in `Route`, without parameters. */
  readonly path: string;
  readonly access: Access;
  /** One sentence for the API's description. */
  readonly about: string;
  /** A body that says it is longer is refused unread; `receive` refuses one that does not say so. */
  readonly maxBytes: number;
  /** Take the bytes and answer. Fails with what `source` throws. */
  receive(source: AsyncIterable<Uint8Array>, request: UploadRequest): Promise<RouteAnswer>;
}

/** A row of the table, of any kind. */
export type Row = Route | BatchRoute | UploadRoute;

/** A row for a file. */
export function defineUploadRoute(route: UploadRoute): UploadRoute {
  return route;
}

/** A row for many items whose handler is typed by its schema. */
export function defineBatchRoute<Item>(route: BatchRoute<Item>): BatchRoute {
  return route;
}
