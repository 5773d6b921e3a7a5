/**
 * A small HTTP client on raw sockets, in a process of its own: for what a load generator cannot do. It counts requests,
 * sends at an even rate, puts the time of sending into the body, and streams a body of any length.
 */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { nowUs, type Paced, pace } from './rival.ts';
import { serve } from './serve.ts';

export interface Target {
  readonly port: number;
  readonly path: string;
  /** Lines of the head besides Host and Content-Length. */
  readonly headers: Readonly<Record<string, string>>;
  /** `{at}` becomes the time of sending in microseconds, `{n}` a new number each time. */
  readonly body: string;
}

export interface Loaded {
  readonly requests: number;
  readonly failed: number;
  readonly ms: number;
  /** Milliseconds of the answers, at each thousandth. */
  readonly quantilesMs: readonly number[];
}

let counter = 0;

function requestText({ path, headers, body }: Target): string {
  const content = body.replaceAll('{at}', () => String(nowUs())).replaceAll('{n}', () => String(counter++));
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `POST ${path} HTTP/1.1\r\nHost: bench\r\n${lines.join('')}Content-Length: ${Buffer.byteLength(content)}\r\n\r\n`;
  return head + content;
}

/** The end of the first answer in `bytes`, and its status; undefined while it is not complete. */
function answerIn(bytes: Buffer): { status: number; end: number } | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd === -1) return undefined;
  const head = bytes.toString('latin1', 0, headEnd);
  const status = Number(head.slice(9, 12));
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
  if (length !== undefined) {
    const end = headEnd + 4 + Number(length);
    return end <= bytes.length ? { status, end } : undefined;
  }
  const last = bytes.indexOf('\r\n0\r\n\r\n', headEnd + 2);
  return last === -1 ? undefined : { status, end: last + 7 };
}

/** One keep-alive connection, one request at a time. */
class Line {
  readonly #socket: Socket;
  #held: Buffer = Buffer.alloc(0);
  #answered: ((status: number) => void) | undefined;
  #broken: ((error: Error) => void) | undefined;

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (chunk) => {
      this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
      const answer = answerIn(this.#held);
      if (answer === undefined) return;
      this.#held = this.#held.subarray(answer.end);
      this.#answered?.(answer.status);
    });
    this.#socket.on('error', (error) => this.#broken?.(error));
    this.#socket.on('close', () => this.#broken?.(new Error('the connection was closed')));
  }

  send(target: Target): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#answered = resolve;
      this.#broken = reject;
      this.#socket.write(requestText(target));
    });
  }

  end(): void {
    this.#broken = undefined;
    this.#socket.destroy();
  }
}

const isGood = (status: number) => status >= 200 && status < 300;

const commands = {
  /** Keep `connections` busy until `requests` are answered, or for `ms`. Targets are used in turn, a line each. */
  async load(
    targets: readonly Target[],
    connections: number,
    until: { requests?: number; ms?: number },
  ): Promise<Loaded> {
    const { requests: most = Number.POSITIVE_INFINITY, ms: longestMs = Number.POSITIVE_INFINITY } = until;
    const times: number[] = [];
    let begun = 0;
    let failed = 0;
    const startedMs = performance.now();
    const lane = async (target: Target) => {
      const line = new Line(target.port);
      try {
        while (begun < most && performance.now() - startedMs < longestMs) {
          begun += 1;
          const sentMs = performance.now();
          if (!isGood(await line.send(target))) failed += 1;
          times.push(performance.now() - sentMs);
        }
      } finally {
        line.end();
      }
    };
    const all = Array.from({ length: connections }, (_, n) => targets[n % targets.length]);
    await Promise.all(all.flatMap((target) => (target === undefined ? [] : lane(target))));
    const ms = performance.now() - startedMs;
    const sorted = Float64Array.from(times).sort();
    const quantilesMs = Array.from(
      { length: 1001 },
      (_, n) => sorted[Math.floor(((sorted.length - 1) * n) / 1000)] ?? 0,
    );
    return { requests: times.length, failed, ms, quantilesMs };
  },

  /** Send at an even rate, whatever the answers take; connections are opened as they are needed. */
  async paced(target: Target, perSecond: number, seconds: number): Promise<Paced> {
    const idle: Line[] = [];
    try {
      return await pace(perSecond, seconds, async () => {
        const line = idle.pop() ?? new Line(target.port);
        const status = await line.send(target);
        idle.push(line);
        if (!isGood(status)) throw new Error(`status ${status}`);
      });
    } finally {
      for (const line of idle) line.end();
    }
  },

  /** One request whose body is `lines` times the same line; how many lines came back, how many of them as wished. */
  async stream(target: Target, lines: number, wished: string): Promise<{ ms: number; answers: number; good: number }> {
    const { port, path, headers, body } = target;
    const socket = connect({ port, host: '127.0.0.1' });
    const startedMs = performance.now();
    let answers = 0;
    let good = 0;
    let rest = '';
    let ended = false;
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      const parts = (rest + text).split('\n');
      rest = parts.pop() ?? '';
      for (const part of parts) {
        // Chunk sizes and the head end in \r\n; a line of ours is JSON.
        if (!part.startsWith('{')) continue;
        answers += 1;
        if (part.includes(wished)) good += 1;
      }
      if (rest.length < 16 && parts.at(-1) === '\r' && parts.at(-2) === '0\r') ended = true;
      if (ended) socket.end();
    });
    const closed = once(socket, 'close');
    const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`POST ${path} HTTP/1.1\r\nHost: bench\r\n${head.join('')}Transfer-Encoding: chunked\r\n\r\n`);
    const perChunk = 100;
    const text = `${body}\n`.repeat(perChunk);
    const chunk = `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
    for (let sent = 0; sent < lines && !socket.destroyed; sent += perChunk) {
      if (!socket.write(chunk)) await Promise.race([once(socket, 'drain'), closed]);
    }
    socket.write('0\r\n\r\n');
    await closed;
    return { ms: performance.now() - startedMs, answers, good };
  },
};

export type HttpClientCommands = typeof commands;

serve(commands);
