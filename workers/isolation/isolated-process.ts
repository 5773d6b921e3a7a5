/**
 * One child process that runs one attempt at one job, as the worker sees it.
 *
 * Promises: it is over when `ended` resolves, and so is everything it has started and left in its process group; what
 * it says is parsed, and saying anything else ends it; it never takes more memory than its bound for long. Its own
 * connections are its own: while a store is away it says so like any handler.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { Socket } from 'node:net';
import { extname, join } from 'node:path';
import { childEnvironment, type Environment } from '../../src/config.ts';
import { hasCode, messageOf } from '../../src/errors.ts';
import { pause, within } from '../../src/lifecycle.ts';
import type { Logger } from '../../src/logger.ts';
import { LineChannel, parseLine } from './line-channel.ts';
import { MemoryWatch } from './memory-watch.ts';
import { MOST_BYTES, type Order, type Reply, replySchema } from './messages.ts';
import { PrintedLines } from './printed-lines.ts';

/** Milliseconds for the last words of a child that has ended to arrive. */
const LAST_WORDS_MS = 500;
/** Milliseconds that the system may take to end what was killed. */
const KILLED_MS = 2000;

/** `.js` when the sources were built; under the test runner `.ts`, which Node 20 needs help with. */
const EXTENSION = extname(import.meta.url);
const ENTRY = join(import.meta.dirname, `isolated-child${EXTENSION}`);
const LOADER = EXTENSION === '.ts' ? ['--import', 'tsx'] : [];
/** No core dumps of a whole heap; and the kernel, out of memory, takes this process before any other. */
const SHELL = 'ulimit -c 0; { echo 1000 > /proc/self/oom_score_adj; } 2>/dev/null; exec "$0" "$@"';

export interface IsolatedProcessOptions {
  /** On top of our own variables. */
  readonly environment: Environment;
  /** Megabytes of its JavaScript heap. */
  readonly heapMb: number;
  /** Megabytes of the whole process. */
  readonly processMb: number;
  readonly logger: Logger;
}

/** How a child ended. */
export interface ChildEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** One sentence: why, if we ended it; else how. */
  readonly why: string;
  /** Megabytes it took when last seen. */
  readonly rssMb: number;
}

export class IsolatedProcess {
  /** Resolves once it is over. Never rejects. */
  readonly ended: Promise<ChildEnd>;
  readonly #child: ChildProcess;
  readonly #printed: PrintedLines;
  readonly #memory: MemoryWatch;
  readonly #channel: LineChannel | undefined;
  readonly #hungUp: Promise<void>;
  #hangUp = () => {};
  #killedFor: string | undefined;
  #over = false;
  #listener: ((reply: Reply) => void) | undefined;
  readonly #unheard: Reply[] = [];

  constructor({ environment, heapMb, processMb, logger }: IsolatedProcessOptions) {
    const node = [process.execPath, `--max-old-space-size=${heapMb}`, ...LOADER, ENTRY, String(process.pid)];
    this.#child = spawn('/bin/sh', ['-c', SHELL, ...node], {
      // A process group of its own: a signal from a terminal does not reach it, and its end takes along what it started.
      detached: true,
      env: childEnvironment(environment),
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    });
    this.#hungUp = new Promise((resolve) => {
      this.#hangUp = resolve;
    });
    // Where the system has no more files, it has no pipes either.
    const [, out, err, line] = this.#child.stdio ?? [];
    this.#printed = new PrintedLines({ streams: [out, err].filter((each) => each instanceof Socket), logger });
    this.#memory = new MemoryWatch({
      pid: this.pid,
      mostMb: processMb,
      exceeded: (mb) => this.kill(`It took ${mb} MB of memory, more than ${processMb} MB.`),
    });
    if (line instanceof Socket) {
      this.#channel = new LineChannel({
        socket: line,
        mostBytes: MOST_BYTES,
        onLine: (text) => this.#hear(text),
        onEnd: (why) => {
          if (why === 'too-long') this.kill(`It said more than ${MOST_BYTES} bytes at once.`);
          this.#hangUp();
        },
      });
    }
    this.ended = this.#whenEnded();
  }

  /** 0 when it could not be started. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get over(): boolean {
    return this.#over;
  }

  /** Log what it prints with these fields from now on. */
  bind(fields: Readonly<Record<string, unknown>>): void {
    this.#printed.bind(fields);
  }

  /** Hear what it says, also what it has said already. One listener at a time. */
  listen(listener: (reply: Reply) => void): void {
    this.#listener = listener;
    for (const reply of this.#unheard.splice(0)) listener(reply);
  }

  /** Say something to it. Returns false when it is too long. */
  say(order: Order): boolean {
    return this.#channel?.say(order) ?? true;
  }

  /** End it now, with all it has started in its group. */
  kill(why: string): void {
    if (this.#over) return;
    this.#killedFor ??= why;
    killGroup(this.pid);
  }

  /** Kill it unless it ends by itself within `ms`. Rejects when it cannot be ended. */
  async end(ms: number, why: string): Promise<ChildEnd> {
    await Promise.race([this.ended, pause(ms)]);
    this.kill(why);
    return within(KILLED_MS, this.ended, () => new Error(`process ${this.pid} cannot be ended`));
  }

  #hear(text: string): void {
    const reply = replySchema.safeParse(parseLine(text));
    if (!reply.success) this.kill('It said what is no message of ours.');
    else if (this.#listener !== undefined) this.#listener(reply.data);
    else if (this.#unheard.length === 0) this.#unheard.push(reply.data);
    else this.kill('It spoke before it was asked.');
  }

  async #whenEnded(): Promise<ChildEnd> {
    const { code, signal, failure } = await exitOf(this.#child);
    // What it left behind in its group would go on without anybody to stop it.
    killGroup(this.pid);
    await Promise.race([this.#hungUp, pause(LAST_WORDS_MS)]);
    this.#over = true;
    this.#memory.stop();
    this.#channel?.destroy();
    setTimeout(() => this.#printed.destroy(), LAST_WORDS_MS).unref();
    const how = failure ?? (signal === null ? `It ended with code ${code} and no result.` : `It ended by ${signal}.`);
    return { code, signal, why: this.#killedFor ?? how, rssMb: this.#memory.lastMb };
  }
}

interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Why it never was. */
  readonly failure?: string;
}

function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
    child.once('error', (error) => {
      resolve({ code: null, signal: null, failure: `It could not be started: ${messageOf(error)}` });
    });
  });
}

function killGroup(pid: number): void {
  if (pid === 0) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error;
  }
}
