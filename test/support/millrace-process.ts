/**
 * Real web and worker processes, from the sources or as built, for tests that kill them.
 *
 * Promises: every process that a test started is gone after `endAll`; waiting for output has a deadline.
 */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import type { Environment } from '../../src/config.ts';
import { Deadline, within } from '../../src/lifecycle.ts';

const ENTRIES = {
  web: { source: 'src/server.ts', built: 'dist/src/server.js' },
  worker: { source: 'workers/main.ts', built: 'dist/workers/main.js' },
} as const;

export interface StartOptions {
  readonly environment: Environment;
  /** Arguments of the entry: queues of a worker. */
  readonly args?: readonly string[];
  /** Run what `npm run build` made, which starts faster; needs `buildOnce()` before. */
  readonly built?: boolean;
}

const started = new Set<MillraceProcess>();

/** Build `dist` if the sources have changed. */
export function buildOnce(): void {
  execFileSync(process.execPath, ['src/local/build.mjs', '--if-changed'], { stdio: 'pipe', timeout: 120_000 });
}

/** A port that is free just now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

export class MillraceProcess {
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  readonly #heard = new Set<(line: string) => void>();
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;

  constructor(role: keyof typeof ENTRIES, { environment, args = [], built = false }: StartOptions) {
    const entry = built ? [ENTRIES[role].built] : ['--import', 'tsx', ENTRIES[role].source];
    this.#child = spawn(process.execPath, [...entry, ...args], {
      env: { ...process.env, ...environment, LOG_LEVEL: 'info' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.exited = new Promise((resolve) => this.#child.once('exit', (code, signal) => resolve({ code, signal })));
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (line) => {
        this.#lines.push(line);
        for (const listener of this.#heard) listener(line);
      });
    }
    started.add(this);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Everything it has printed. */
  get output(): string {
    return this.#lines.join('\n');
  }

  /** Resolve once it has printed a line with this text. */
  async printed(text: string, ms = 30_000): Promise<void> {
    if (this.#lines.some((line) => line.includes(text))) return;
    let listener = (_line: string) => {};
    const heard = new Promise<void>((resolve, reject) => {
      listener = (line) => line.includes(text) && resolve();
      this.#heard.add(listener);
      void this.exited.then(() => reject(new Error(`It ended before it said "${text}":\n${this.output}`)));
    });
    try {
      await within(ms, heard, () => new Error(`It never said "${text}":\n${this.output}`));
    } finally {
      this.#heard.delete(listener);
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Send a signal and wait until it is gone. */
  async end(signal: NodeJS.Signals = 'SIGTERM', ms = 35_000) {
    this.kill(signal);
    return within(ms, this.exited, () => new Error(`Still running ${ms} ms after ${signal}:\n${this.output}`));
  }
}

/** Kill every process that is left. */
export async function endAll(): Promise<void> {
  await Promise.all([...started].map((process) => process.end('SIGKILL', 5000)));
  started.clear();
}

/** Ask until the answer is right. Between asks it waits for nothing but the answer. */
export async function eventually<T>(ask: () => Promise<T>, right: (answer: T) => boolean, ms: number): Promise<T> {
  const deadline = Deadline.in(ms);
  for (;;) {
    const answer = await ask();
    if (right(answer)) return answer;
    if (deadline.leftMs === 0) throw new Error(`After ${ms} ms it is still ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
