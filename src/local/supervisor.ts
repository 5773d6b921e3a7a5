/**
 * Runs Millrace on one machine: private stores, migrations, then the processes of the Procfile; stops it all again.
 *
 * Promises: what an earlier, killed run left behind is ended first; the banner comes when every web process is ready,
 * and a start that does not get there fails in time; web and workers stop before the stores do, all by one deadline.
 */

import { randomBytes } from 'node:crypto';
import type { LocalConfig } from '../config.ts';
import { messageOf } from '../errors.ts';
import { Deadline, type Lifecycle, within } from '../lifecycle.ts';
import { banner } from './banner.ts';
import { Formation } from './formation.ts';
import { OptionalPrograms } from './optional-programs.ts';
import type { Output } from './output.ts';
import { freePort, isTaken } from './ports.ts';
import { PrivateStores } from './private-stores.ts';
import { endProcess, identify, isSameProcess, signal } from './processes.ts';
import type { PlannedProcess } from './procfile.ts';
import { type LocalState, NOTHING_RUNS, readState, writeState } from './state.ts';

export interface SupervisorOptions {
  readonly config: LocalConfig;
  readonly plan: readonly PlannedProcess[];
  /** Folder in which the commands run. */
  readonly root: string;
  /** Absolute path of the data folder; it exists, and its lock is ours. */
  readonly dataDir: string;
  readonly output: Output;
}

/** Starting was impossible; the message says why and what to do. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

const READY_MS = 60_000;
const LEFTOVER_MS = 10_000;

/** Milliseconds of the whole deadline that are kept for the stores, which stop after web and workers. */
export function storesShareMs(totalMs: number): number {
  return Math.min(5000, Math.round(totalMs / 5));
}

export class Supervisor implements Lifecycle {
  readonly #options: SupervisorOptions;
  readonly #stores: PrivateStores;
  readonly #formation: Formation;
  readonly #optional: OptionalPrograms;
  readonly #stopping = new AbortController();
  #starting: Promise<void> | undefined;
  #state: LocalState = NOTHING_RUNS;
  #saved: Promise<void> = Promise.resolve();

  constructor(options: SupervisorOptions) {
    this.#options = options;
    const { config, dataDir, plan, root, output } = options;
    const changed = () => void this.#save();
    this.#stores = new PrivateStores({ config, dataDir, changed, say: (line) => this.#say(line) });
    this.#optional = new OptionalPrograms({ config, plan, dataDir, say: (line) => this.#say(line) });
    this.#formation = new Formation({ plan, root, host: config.HOST, port: config.PORT, output, changed });
  }

  /** Start everything; resolves once the banner is out. Rejects when that cannot be had; call `stop` all the same. */
  start(): Promise<void> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  async #start(): Promise<void> {
    const { config, dataDir, plan, output } = this.#options;
    const before = await readState(dataDir);
    await this.#endLeftovers(before);
    if (plan.some(({ kind }) => kind === 'web')) await refuseTakenPort(config);
    const made = before.boardPassword ?? randomBytes(9).toString('base64url');
    this.#state = { ...before, ...NOTHING_RUNS, supervisor: identify(process.pid), boardPassword: made };
    await this.#save();

    const [{ migrateDatabase }] = await Promise.all([import('../database/migrate.ts'), this.#stores.start()]);
    const environment = {
      ...localEnvironment(config),
      BOARD_PASSWORD: config.BOARD_PASSWORD ?? made,
      DATA_DIR: dataDir,
    };
    this.#state = { ...this.#state, environment, postgresFolder: this.#stores.postgresFolder };
    await this.#save();
    await this.#unlessStopping(() =>
      migrateDatabase({ url: this.#stores.urls.DATABASE_URL, schema: config.DATABASE_SCHEMA }),
    );
    const missing = await this.#optional.look();
    await this.#unlessStopping(() => this.#formation.start({ ...environment, ...this.#stores.urls }));
    const trouble = await this.#unlessStopping(() => this.#formation.whenReady(READY_MS, this.#stopping.signal));
    if (trouble !== undefined) throw new StartError(`Millrace is not ready: ${trouble}. The lines above say why.`);
    if (this.#stopping.signal.aborted) return;
    const [port] = this.#formation.ports;
    if (port !== undefined) this.#state = { ...this.#state, address: `http://127.0.0.1:${port}` };
    await this.#save();
    output.text(
      banner({
        ports: this.#formation.ports,
        host: config.HOST,
        authentication: config.AUTH,
        boardUser: config.BOARD_USER,
        boardPassword: config.BOARD_PASSWORD === undefined ? made : undefined,
        dataDir,
        processes: plan.map(({ name }) => name),
        seconds: performance.now() / 1000,
      }),
    );
    void this.#optional.install(missing).catch((error: unknown) => this.#say(messageOf(error)));
  }

  async #unlessStopping<T>(stage: () => Promise<T>): Promise<T | undefined> {
    return this.#stopping.signal.aborted ? undefined : stage();
  }

  /** End the web and worker processes of an earlier run that was killed; their stores are ended where they start. */
  async #endLeftovers({ processes }: LocalState): Promise<void> {
    const deadline = Deadline.in(LEFTOVER_MS);
    await Promise.all(
      processes.filter(isSameProcess).map(async ({ name, pid }) => {
        this.#say(`ending ${name} (process ${pid}), left behind by an earlier run`);
        await endProcess(pid, 'SIGTERM', deadline);
        signal(pid, 'SIGKILL', true);
      }),
    );
  }

  /** Stop web and workers, then the stores. Gives up at the deadline, having killed what it could. */
  async stop(deadline: Deadline): Promise<void> {
    this.#stopping.abort();
    const share = storesShareMs(deadline.leftMs);
    // What is being started is started to its end first, so that nothing appears after we have looked.
    const settled = this.#starting?.catch(() => undefined) ?? Promise.resolve();
    await within(deadline.leftMs - share, settled, () => new Error('still starting at the deadline')).catch((error) =>
      this.#say(messageOf(error)),
    );
    await this.#formation.stop(new Deadline(deadline.atMs - share));
    await this.#stores.stop(deadline);
    // Without a supervisor in it, the state is still the one of the earlier run: leave its file alone.
    if (this.#state.supervisor === undefined) return;
    this.#state = { ...this.#state, ...NOTHING_RUNS, supervisor: undefined };
    await this.#write();
  }

  /** Wait for nobody: web and workers end at once; `stop` then has only the stores left. */
  kill(): void {
    this.#formation.kill();
  }

  /** Write down what runs now; a failure is said, for the start must not depend on it. */
  #save(): Promise<void> {
    this.#state = { ...this.#state, stores: this.#stores.state, processes: this.#formation.state };
    return this.#write();
  }

  #write(): Promise<void> {
    const state = this.#state;
    const { dataDir } = this.#options;
    this.#saved = this.#saved
      .then(() => writeState(dataDir, state))
      .catch((error: unknown) => this.#say(`The state file cannot be written: ${messageOf(error)}`));
    return this.#saved;
  }

  #say(line: string): void {
    this.#options.output.line('millrace', line);
  }
}

/** What web and workers get that they would not choose by themselves: the values of `npm start`, or the user's. */
function localEnvironment(config: LocalConfig): Record<string, string> {
  const drain = config.SHUTDOWN_DEADLINE_MS - storesShareMs(config.SHUTDOWN_DEADLINE_MS);
  return {
    AUTH: config.AUTH,
    EDIT_BATCH_WINDOW_MINUTES: String(config.EDIT_BATCH_WINDOW_MINUTES),
    LEARNING_RATE_LIMIT_MINUTES: String(config.LEARNING_RATE_LIMIT_MINUTES),
    SHUTDOWN_DEADLINE_MS: String(Math.max(1000, drain - 500)),
  };
}

async function refuseTakenPort({ PORT, HOST }: LocalConfig): Promise<void> {
  if (!(await isTaken(PORT, HOST))) return;
  const other = await freePort(PORT + 1);
  throw new StartError(`PORT: ${PORT} is taken by another program. Choose another one: PORT=${other} npm start`);
}
