/**
 * A local server that speaks the chat protocol: streams of events, refusals, and everything that can go wrong.
 *
 * Promises: it counts what is under way, by a key that the test reads from each call; a client that goes away ends its
 * call; `close` ends them all.
 */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { ModelMessage } from '../../src/providers/model.ts';

/** One call, as it came. */
export interface ModelCall {
  readonly number: number;
  readonly authorization: string | undefined;
  readonly body: { readonly model: string; readonly stream: boolean; readonly max_tokens?: number };
  readonly messages: readonly ModelMessage[];
  /** The last message. */
  readonly asked: string;
  /** Aborts when the client has gone. */
  readonly gone: AbortSignal;
}

export type Behaviour = (call: ModelCall, response: ServerResponse) => Promise<void> | void;

export interface ModelServer {
  /** What AI_BASE_URL is set to. */
  readonly url: string;
  readonly calls: readonly ModelCall[];
  /** Most calls of one key that were ever under way together. */
  readonly mostAtOnce: ReadonlyMap<string, number>;
  /** From now on. */
  behave(behaviour: Behaviour): void;
  close(): Promise<void>;
}

const HEAD = { 'content-type': 'text/event-stream; charset=utf-8' };

/** One event of an answer. */
export function eventOf(value: unknown): string {
  return `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`;
}

/** A piece of text as an event. */
export function pieceOf(content: string, finish: string | null = null): string {
  return eventOf({ choices: [{ index: 0, delta: { content }, finish_reason: finish }] });
}

/** Begin a stream of events. */
export function beginStream(response: ServerResponse): void {
  response.writeHead(200, HEAD);
}

/** A whole, good answer. */
export function answerWith(pieces: readonly string[], usage = { prompt_tokens: 11, completion_tokens: 7 }): Behaviour {
  return (_call, response) => {
    beginStream(response);
    for (const piece of pieces) response.write(pieceOf(piece));
    response.write(pieceOf('', 'stop'));
    response.write(eventOf({ choices: [], usage }));
    response.end(eventOf('[DONE]'));
  };
}

/** A refusal. */
export function refuseWith(status: number, headers: Record<string, string> = {}, body = ''): Behaviour {
  return (_call, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
  };
}

export async function startModelServer(
  first: Behaviour = answerWith(['Hello', ' there.']),
  keyOf: (call: ModelCall) => string = () => '',
): Promise<ModelServer> {
  let behaviour = first;
  const calls: ModelCall[] = [];
  const underWay = new Map<string, number>();
  const mostAtOnce = new Map<string, number>();

  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    if (request.method === 'GET') return void response.end('{"data":[]}');
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString()) as ModelCall['body'] & { messages: ModelMessage[] };
    const gone = new AbortController();
    const { messages } = body;
    const call: ModelCall = {
      number: calls.length + 1,
      authorization: request.headers.authorization,
      body,
      messages,
      asked: messages.at(-1)?.content ?? '',
      gone: gone.signal,
    };
    calls.push(call);
    const key = keyOf(call);
    const now = (underWay.get(key) ?? 0) + 1;
    underWay.set(key, now);
    mostAtOnce.set(key, Math.max(now, mostAtOnce.get(key) ?? 0));
    response.once('close', () => {
      underWay.set(key, (underWay.get(key) ?? 1) - 1);
      gone.abort();
    });
    response.on('error', () => gone.abort());
    await behaviour(call, response);
  };

  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}/v1`,
    calls,
    mostAtOnce,
    behave: (next) => {
      behaviour = next;
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
