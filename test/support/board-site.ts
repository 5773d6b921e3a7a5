/**
 * The board on a port of its own, over a world's Redis: two queues, a finished job, a dead one and a waiting one.
 */

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Job, UnrecoverableError, Worker } from 'bullmq';
import express, { type NextFunction, type Request, type Response } from 'express';
import { z } from 'zod';
import { PROBLEM_TYPE, problemDocument, problemHeaders, toAppError } from '../../src/http/problem.ts';
import { Deadline } from '../../src/lifecycle.ts';
import { createLogger } from '../../src/logger.ts';
import { type BoardOptions, createBoard } from '../../src/queue/board.ts';
import { defineJob } from '../../src/queue/job.ts';
import { type MillraceQueue, Queues } from '../../src/queue/queues.ts';
import { closeRedis, connectRedis, redisReady } from '../../src/redis/connections.ts';
import type { World } from './world.ts';

export const BOARD_LOGIN = { user: 'admin', password: 'correct horse' };

const DEFINITIONS = [
  defineJob({
    name: 'letters.send-letter',
    about: 'Send a letter.',
    payload: z.strictObject({ to: z.string(), seal: z.string() }),
    result: z.object({ sent: z.boolean() }),
    example: { to: 'ada', seal: 'wax' },
    secret: ['seal'],
    run: async () => ({ sent: true }),
  }),
  defineJob({
    name: 'mills.grind-corn',
    about: 'Grind corn.',
    payload: z.strictObject({ sacks: z.int() }),
    result: z.object({ flour: z.int() }),
    example: { sacks: 1 },
    run: async () => ({ flour: 1 }),
  }),
];

/** Jobs that the site holds, by how they ended. */
export const BOARD_JOBS = { finished: 'letters_finished', dead: 'letters_dead', waiting: 'mills_waiting' } as const;

export interface BoardSite {
  /** Address of the board, without a slash at the end. */
  readonly url: string;
  readonly letters: MillraceQueue;
  /** Parsed log lines with `audit: 'board'`. */
  readonly audit: Record<string, unknown>[];
  close(): Promise<void>;
}

let sites = 0;

/** Start the site, with queues of its own; `options` replace the board's. */
export async function startBoardSite(world: World, options: Partial<BoardOptions> = {}): Promise<BoardSite> {
  const audit: Record<string, unknown>[] = [];
  const write = (line: string) => {
    const entry = JSON.parse(line) as Record<string, unknown>;
    if (entry.audit === 'board') audit.push(entry);
  };
  const logger = createLogger({ level: 'info', role: 'test', destination: { write } });
  const quiet = createLogger({ level: 'silent', role: 'test' });
  const url = world.config.REDIS_URL;
  sites += 1;
  const prefix = `${world.config.QUEUE_PREFIX}:${sites}`;
  const redis = connectRedis({ url, role: 'producer', name: 'board', logger: quiet });
  await redisReady(redis, 5000);
  const queues = new Queues({ names: ['letters', 'mills'], redis, prefix, logger: quiet });
  await fill(url, prefix, queues);

  const app = express().disable('x-powered-by');
  const board = createBoard({
    queues: queues.all,
    definitions: DEFINITIONS,
    ...BOARD_LOGIN,
    writes: 'off',
    logger,
    ...options,
  });
  app.use('/admin/queues', board);
  app.use((error: unknown, _request: Request, response: Response, _next: NextFunction) => {
    const refusal = toAppError(error);
    response.status(refusal.status).set(problemHeaders(refusal)).type(PROBLEM_TYPE);
    response.send(problemDocument(refusal, 'test'));
  });
  const server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/admin/queues`,
    letters: queues.get('letters'),
    audit,
    close: async () => {
      await closeServer(server);
      await queues.stop(Deadline.in(2000));
      await closeRedis(redis);
    },
  };
}

async function fill(url: string, prefix: string, queues: Queues): Promise<void> {
  const letters = queues.get('letters');
  const envelope = (payload: object) => ({ tenant: 'default', payload, requestedAt: Date.now(), timeoutMs: 1000 });
  const letter = envelope({ to: 'ada@example.org', seal: 'my-secret-seal' });
  await letters.add('letters.send-letter', letter, { jobId: BOARD_JOBS.finished });
  await letters.add('letters.send-letter', letter, { jobId: BOARD_JOBS.dead });
  await queues.get('mills').add('mills.grind-corn', envelope({ sacks: 3 }), { jobId: BOARD_JOBS.waiting });

  const logger = createLogger({ level: 'silent', role: 'test' });
  const connection = connectRedis({ url, role: 'worker', name: 'board-worker', logger });
  const work = async ({ id }: Job) => {
    if (id === BOARD_JOBS.dead) throw new UnrecoverableError('work-refused: nobody lives there');
    return { result: { sent: true } };
  };
  const worker = new Worker('letters', work, { connection, prefix, metrics: { maxDataPoints: 60 } });
  const ended = new Promise<void>((resolve) => {
    let left = 2;
    const count = () => {
      left -= 1;
      if (left === 0) resolve();
    };
    worker.on('completed', count).on('failed', count);
  });
  await ended;
  await worker.close();
  await closeRedis(connection);
}

async function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}
