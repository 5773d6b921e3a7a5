/**
 * The board at /admin/queues: Bull Board behind a login. The one file that knows Bull Board.
 *
 * Promises: nothing is seen without the login; nothing can be changed unless writes are on, only from the board's own
 * page, and each try is one audit line; payload fields that a definition calls secret are covered. Refusals are passed
 * on as `AppError`s to the application that mounts it. While Redis is away the page loads and says so.
 */

import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import type { HookContext } from '@bull-board/api/typings/app';
import { ExpressAdapter } from '@bull-board/express';
import type { Queue } from 'bullmq';
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import { requireLogin } from '../access/login.ts';
import { AppError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { isRedisAway } from '../redis/breaker.ts';
import { BOARD_LOOKS, BOARD_POLICY, BOARD_STYLE, BOARD_STYLE_PATH, cleanPage } from './board-page.ts';
import { isFromOwnPage, isRead, whyRefused } from './board-rules.ts';
import type { JobDefinition } from './job.ts';
import { Redaction } from './redaction.ts';

export interface BoardOptions {
  readonly queues: readonly Queue[];
  /** Whose secret fields are covered. */
  readonly definitions: readonly JobDefinition[];
  readonly user: string;
  /** Unset: the board answers 503 and says how to set one. */
  readonly password: string | undefined;
  readonly writes: 'on' | 'off';
  /** Gets one line per try to change something, with `audit: 'board'`. */
  readonly logger: Logger;
  /** Where the application mounts it. */
  readonly path?: string;
}

/** Make the board: an Express application for `app.use(path, board)`. */
export function createBoard(options: BoardOptions): Express {
  const { queues, definitions, writes, path = '/admin/queues' } = options;
  const audit = new Audit(options);
  const redaction = new Redaction(definitions);
  const adapter = new ExpressAdapter().setBasePath(path);
  createBullBoard({
    queues: queues.map((queue) => {
      const jobs = definitions.filter((definition) => definition.queue === queue.name).map(({ name }) => name);
      const description = jobs.join(', ');
      return new BullMQAdapter(queue, { readOnlyMode: writes === 'off', description });
    }),
    serverAdapter: adapter,
    options: {
      uiConfig: BOARD_LOOKS,
      handlerHooks: {
        before: async (context) => {
          if (isRead(context.method)) return undefined;
          audit.describe(context);
          const { route, request } = context;
          const message = await whyRefused({ route, params: request.params }, (name, id) => stateOf(queues, name, id));
          return message === undefined ? undefined : { allow: false, status: 403, message };
        },
        after: (_context, result) => ({ ...result, body: redaction.answer(result.body) as typeof result.body }),
      },
    },
  });
  adapter.setErrorHandler((error) => {
    throw asBoardError(error);
  });
  const inner = adapter.getRouter() as Express;
  inner.disable('x-powered-by');

  const board = express().disable('x-powered-by');
  board.use(
    setHeaders,
    requireLogin({ ...options, page: 'board' }),
    audit.middleware,
    guardWrites(options),
    cleanPages,
  );
  board.get(BOARD_STYLE_PATH, (_request, response) => void response.type('css').send(BOARD_STYLE));
  return board.use(inner);
}

function setHeaders(request: Request, response: Response, next: NextFunction): void {
  response.set({
    'Content-Security-Policy': BOARD_POLICY,
    'Cache-Control': request.path.startsWith('/static/') ? 'private, max-age=3600' : 'no-store',
    'Referrer-Policy': 'same-origin',
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
  });
  next();
}

function guardWrites({ writes }: BoardOptions) {
  return ({ method, headers }: Request, _response: Response, next: NextFunction): void => {
    const write = !isRead(method);
    if (write && writes === 'off') {
      throw new AppError('forbidden', 'The board is read-only. Set BOARD_WRITES=on to change that.');
    }
    if (write && !isFromOwnPage(headers)) {
      throw new AppError('forbidden', 'A change must come from the board’s own page (Origin or Sec-Fetch-Site).');
    }
    next();
  };
}

function cleanPages(_request: Request, response: Response, next: NextFunction): void {
  const render = response.render.bind(response);
  response.render = (view: string, parameters?: object) =>
    render(view, parameters, (error: Error | null, html: string) => {
      if (error) next(error);
      else response.send(cleanPage(html));
    });
  next();
}

async function stateOf(queues: readonly Queue[], name: string, jobId: string): Promise<string> {
  return (await queues.find((queue) => queue.name === name)?.getJobState(jobId)) ?? 'unknown';
}

/** What the board's API threw, as the application that mounts it should tell it. */
function asBoardError(error: Error): Error {
  if (!isRedisAway(error)) return error;
  return new AppError('store-unavailable', 'Redis does not answer.', { cause: error, retryAfterSeconds: 2 });
}

/** One log line for each request that would change something, with how it ended. */
class Audit {
  readonly #logger: Logger;
  readonly #user: string;
  /** By the request's headers, the one object that both Express and the library's hook hold. */
  readonly #contexts = new WeakMap<object, HookContext>();

  constructor({ logger, user }: BoardOptions) {
    this.#logger = logger;
    this.#user = user;
  }

  /** Remember what the library takes this request for. */
  describe(context: HookContext): void {
    this.#contexts.set(context.request.headers, context);
  }

  readonly middleware = (request: Request, response: Response, next: NextFunction): void => {
    if (!isRead(request.method)) response.once('close', () => this.#write(request, response));
    next();
  };

  #write({ method, path, headers, ip }: Request, { statusCode, writableFinished }: Response): void {
    const context = this.#contexts.get(headers);
    const { queueName, jobId, queueStatus } = context?.request.params ?? {};
    const answered = statusCode < 400 ? 'done' : statusCode === 403 ? 'refused' : 'failed';
    this.#logger.info(
      {
        audit: 'board',
        user: this.#user,
        from: ip,
        action: `${method} ${context?.route ?? path.slice(0, 200)}`,
        queue: queueName,
        jobId,
        jobState: queueStatus,
        status: statusCode,
        outcome: writableFinished ? answered : 'unknown',
      },
      'board write',
    );
  }
}
