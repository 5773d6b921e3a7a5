/**
 * `npm start` for a test: the real entry, in a folder of its own with a Procfile of the test's.
 *
 * Promises: every wait has a deadline and fails with what was printed; nothing is left behind, whatever the test did.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Environment } from '../../src/config.ts';
import { Deadline, pause } from '../../src/lifecycle.ts';
import { freePort } from '../../src/local/ports.ts';
import { endProcess, isRunning, isSameProcess } from '../../src/local/processes.ts';
import { type LocalState, readState } from '../../src/local/state.ts';

const ENTRY = fileURLToPath(new URL('../../src/local/start.ts', import.meta.url));
const LOADER = createRequire(import.meta.url).resolve('tsx');
const WAIT_MS = 40_000;

/** One run of `npm start`. */
export class Start {
  readonly process: ChildProcess;
  readonly lines: string[] = [];
  readonly #home: StartFolder;
  #exitCode: number | undefined;

  constructor(home: StartFolder, environment: Environment) {
    this.#home = home;
    const path = [dirname(process.execPath), process.env.PATH].join(delimiter);
    this.process = spawn(process.execPath, ['--import', LOADER, ENTRY], {
      cwd: home.folder,
      // As a shell does it with what it starts: a group that Ctrl-C reaches as a whole.
      detached: true,
      env: { PATH: path, PORT: String(home.port), ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', (line) => this.lines.push(line));
    }
    this.process.once('close', (code) => {
      this.#exitCode = code ?? -1;
    });
  }

  /** Process number of the supervisor. */
  get pid(): number {
    return this.process.pid ?? 0;
  }

  /** Everything printed so far. */
  get text(): string {
    return this.lines.join('\n');
  }

  /** Wait until this has been printed `times` times. */
  async printed(pattern: RegExp, times = 1): Promise<void> {
    await this.until(`print ${pattern}`, () => this.lines.filter((line) => pattern.test(line)).length >= times);
  }

  /** Wait for the banner. */
  ready(): Promise<void> {
    return this.printed(/Millrace is ready/);
  }

  /** Wait for the end; the exit code. */
  async ended(): Promise<number> {
    await this.until('end', () => this.#exitCode !== undefined);
    return this.#exitCode ?? -1;
  }

  /** Wait until the condition holds. */
  async until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = Deadline.in(WAIT_MS);
    while (!(await condition())) {
      if (deadline.leftMs === 0) throw new Error(`It did not ${what} within ${WAIT_MS} ms. It printed:\n${this.text}`);
      await pause(20);
    }
  }

  /** Processes that the state file names: supervisor, stores, web and workers. */
  async pids(): Promise<number[]> {
    return pidsOf(await this.#home.state());
  }

  /** Press Ctrl-C in the terminal: the whole group gets it, and a parent such as npm sends it once more. */
  pressCtrlC(): void {
    process.kill(-this.pid, 'SIGINT');
    process.kill(this.pid, 'SIGINT');
  }

  signal(name: NodeJS.Signals): void {
    process.kill(this.pid, name);
  }
}

function pidsOf({ supervisor, stores, processes }: LocalState): number[] {
  const all = [supervisor, ...processes, ...Object.values(stores).map((store) => store.process)];
  return all.flatMap((identity) => (identity !== undefined && isSameProcess(identity) ? [identity.pid] : []));
}

/** A folder to run `npm start` in; only its owner may enter it. */
export class StartFolder {
  readonly folder: string;
  readonly port: number;
  readonly #starts: Start[] = [];

  private constructor(folder: string, port: number) {
    this.folder = folder;
    this.port = port;
  }

  /** Make one with these files in it, among them the Procfile. */
  static async make(files: Record<string, string>): Promise<StartFolder> {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-start-'));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    return new StartFolder(folder, await freePort());
  }

  get dataDir(): string {
    return join(this.folder, '.data');
  }

  state(): Promise<LocalState> {
    return readState(this.dataDir);
  }

  /** Begin an `npm start`. */
  start(environment: Environment = {}): Start {
    const start = new Start(this, environment);
    this.#starts.push(start);
    return start;
  }

  /** End whatever still runs and remove everything, the part of PostgreSQL under /var/lib too. */
  async remove(): Promise<void> {
    const left = [...this.#starts.map(({ pid }) => pid), ...pidsOf(await this.state())].filter(isRunning);
    await Promise.all(left.map((pid) => endProcess(pid, 'SIGKILL', Deadline.in(5000))));
    const home = linkTarget(join(this.dataDir, 'postgres'));
    if (home !== undefined) rmSync(home, { recursive: true, force: true });
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    // No link: not root, or PostgreSQL was never started.
    return undefined;
  }
}
