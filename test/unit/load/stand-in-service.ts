/** A small HTTP server that answers as Millrace does, or as badly as a test wants it to. */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

export interface StandIn {
  readonly url: string;
  /** Bodies of the enqueue requests, in the order in which they came. */
  readonly bodies: string[];
  /** Requests that arrived, by method and path. */
  readonly asked: string[];
  close(): Promise<void>;
}

export type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void;

export interface StandInOptions {
  /** How an enqueue request is answered; 202 with an id unless told. */
  readonly enqueue?: Answer;
  /** How a path, such as `/v1/queues`, is answered instead. */
  readonly paths?: Readonly<Record<string, Answer>>;
}

/** Answer with JSON. */
export function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** Answer as Millrace refuses. */
export function refuse(response: ServerResponse, status: number, code: string, detail = `It is ${code}.`): void {
  reply(response, status, { type: `/errors/${code}`, title: 'Refused.', status, detail, code, requestId: 'r-1' });
}

const DEFINITIONS = [
  { name: 'learning.process-edit', queue: 'learning', example: { userId: 'ada' }, payload: {} },
  { name: 'cleanup.sweep', queue: 'cleanup', example: {}, payload: {} },
];

export async function startStandIn({ enqueue, paths = {} }: StandInOptions = {}): Promise<StandIn> {
  const bodies: string[] = [];
  const asked: string[] = [];
  let jobs = 0;
  const queue = (name: string, waiting: number) => ({ name, workers: 1, counts: { waiting, active: 0, delayed: 0 } });
  const usual: Readonly<Record<string, Answer>> = {
    '/v1/definitions': (_request, response) => reply(response, 200, { definitions: DEFINITIONS }),
    '/v1/queues': (_request, response) =>
      reply(response, 200, { queues: [queue('learning', jobs), queue('cleanup', 0), queue('other', 9999)] }),
    '/health': (_request, response) => reply(response, 200, { version: '9.9.9' }),
    '/v1/jobs': (_request, response) => {
      jobs += 1;
      reply(response, 202, { id: `learning_${jobs}`, state: 'waiting' });
    },
  };
  const server = createServer(async (request, response) => {
    const path = (request.url ?? '').replace(/\?.*$/, '');
    asked.push(`${request.method} ${path}`);
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
    const isEnqueue = request.method === 'POST';
    if (isEnqueue) bodies.push(body);
    const answer = paths[path] ?? (isEnqueue ? enqueue : undefined) ?? usual[path];
    if (answer === undefined) refuse(response, 404, 'not-found');
    else answer(request, response, body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    bodies,
    asked,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
