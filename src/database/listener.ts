/**
 * Hearing what PostgreSQL tells by NOTIFY: one connection of its own that listens to one channel.
 *
 * Promises: it comes back by itself, within about a second of PostgreSQL's return; every time it begins to listen it
 * says so as if something had been told, since what was told meanwhile is lost; a connection that is open but dead is
 * found within 20 s. While PostgreSQL is away it tries on quietly: whoever listens must also look from time to time.
 */

import pg from 'pg';
import { messageOf } from '../errors.ts';
import { type Deadline, type Lifecycle, pause, within } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';

export interface ListenerOptions {
  readonly url: string;
  readonly channel: string;
  /** Shown in pg_stat_activity. */
  readonly name: string;
  readonly logger: Logger;
  /** Milliseconds between two looks whether the connection still lives. Default: 15 s. */
  readonly lookMs?: number;
}

/** As the pool of `connection.ts`. */
const CONNECT_TIMEOUT_MS = 2000;
const LOOK_MS = 15_000;
/** Milliseconds that an answer may take. */
const ANSWER_MS = 5000;
const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 1000;
/** How long a polite goodbye may take. */
const GOODBYE_MS = 500;

export class Listener implements Lifecycle {
  readonly #options: ListenerOptions;
  readonly #stopped = new AbortController();
  #heard = () => {};
  #running: Promise<void> | undefined;
  #listening = false;

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  /** Does PostgreSQL know that we listen? */
  get listening(): boolean {
    return this.#listening;
  }

  /** Call this whenever something was told, or may have been. One listener: a later one takes its place. */
  onHeard(heard: () => void): void {
    this.#heard = heard;
  }

  /** Begin to listen; does not wait for PostgreSQL. */
  async start(): Promise<void> {
    this.#running ??= this.#run();
  }

  async stop(deadline: Deadline): Promise<void> {
    this.#stopped.abort();
    await within(deadline.leftMs, Promise.resolve(this.#running), () => new Error('still listening at the deadline'));
  }

  async #run(): Promise<void> {
    const { logger } = this.#options;
    let retryMs = FIRST_RETRY_MS;
    while (!this.#stopped.signal.aborted) {
      try {
        await this.#listen(() => {
          if (retryMs > FIRST_RETRY_MS) logger.info('listening to PostgreSQL again');
          retryMs = FIRST_RETRY_MS;
        });
      } catch (error) {
        if (retryMs === FIRST_RETRY_MS)
          logger.warn({ err: { message: messageOf(error) } }, 'not listening to PostgreSQL');
      }
      await pause(retryMs * (0.5 + 0.5 * Math.random()), this.#stopped.signal);
      retryMs = Math.min(LAST_RETRY_MS, retryMs * 2);
    }
  }

  /** Listen until the connection is lost, which throws, or until we are stopped. */
  async #listen(began: () => void): Promise<void> {
    const { url, channel, name, lookMs = LOOK_MS } = this.#options;
    const client = new pg.Client({
      connectionString: url,
      application_name: `millrace:${name}`,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: ANSWER_MS,
      keepAlive: true,
    });
    const gone = new AbortController();
    client.on('error', (error) => gone.abort(error));
    client.on('end', () => gone.abort(new Error('The connection has ended.')));
    client.on('notification', () => this.#heard());
    // Whatever is under way rejects when its socket is gone.
    const stop = () => void (this.#listening ? gone.abort() : client.connection.stream.destroy());
    this.#stopped.signal.addEventListener('abort', stop, { once: true });
    try {
      await client.connect();
      await client.query(`LISTEN ${client.escapeIdentifier(channel)}`);
      this.#listening = true;
      began();
      this.#heard();
      while (!gone.signal.aborted) {
        await pause(lookMs, gone.signal);
        if (!gone.signal.aborted) await client.query('SELECT 1');
      }
      if (!this.#stopped.signal.aborted) throw gone.signal.reason;
    } finally {
      this.#listening = false;
      this.#stopped.signal.removeEventListener('abort', stop);
      await close(client);
    }
  }
}

/** Say goodbye; a server that does not answer is left without. */
async function close(client: pg.Client): Promise<void> {
  const farewell = within(GOODBYE_MS, client.end(), () => new Error('no goodbye'));
  await farewell.catch(() => client.connection.stream.destroy());
}
