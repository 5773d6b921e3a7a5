/** A local server that speaks the OpenAI transcription protocol, and fails as such services do. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What came with a request. */
export interface Heard {
  readonly path: string;
  readonly authorization: string | undefined;
  /** Text fields of the form. */
  readonly fields: Readonly<Record<string, string>>;
  /** The recording. */
  readonly file: Buffer;
}

type Answer = (response: ServerResponse, heard: Heard) => void | Promise<void>;

export class SpeechService {
  readonly heard: Heard[] = [];
  /** How the next requests are answered. */
  answer: Answer = (response) => json(response, 200, { text: '' });
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        // A caller may go in the middle of its request.
        if (request.complete) throw error;
      });
    });
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => undefined);
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const headers = { 'content-type': request.headers['content-type'] ?? '' };
    const form = await new Response(Buffer.concat(pieces), { headers }).formData();
    const fields: Record<string, string> = {};
    let file = Buffer.alloc(0);
    for (const [name, value] of form) {
      if (typeof value === 'string') fields[name] = value;
      else file = Buffer.from(await value.arrayBuffer());
    }
    const heard = { path: request.url ?? '', authorization: request.headers.authorization, fields, file };
    this.heard.push(heard);
    await this.answer(response, heard);
  }
}

/** Answer with JSON. */
export function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}
