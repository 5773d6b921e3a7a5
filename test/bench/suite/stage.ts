/**
 * What one case has started: stores, actors, services. Ended in the reverse order when the case is over, or when the
 * run is told to stop.
 *
 * Promises: `end` ends everything, may be called twice, and goes on when a part of it fails.
 */

import { join } from 'node:path';
import { messageOf } from '../../../src/errors.ts';
import { type PrivateStore, startPrivatePostgres, startPrivateRedis } from '../../support/stores.ts';
import { Actor } from './actor.ts';
import type { RivalCommands } from './actors/rival.ts';
import type { Commands } from './actors/serve.ts';
import type { Bench } from './bench.ts';

/** Not one slice shall meet a rewrite of the append-only file by chance. */
const NO_REWRITE = 'auto-aof-rewrite-percentage 0';
/** What a database that means it does; the tests' servers switch it off. */
const DURABLE = { fsync: 'on', full_page_writes: 'on', synchronous_commit: 'on', shared_buffers: '256MB' };

export class Stage {
  readonly bench: Bench;
  readonly #parts: (() => Promise<void> | void)[] = [];
  #ended: Promise<void> | undefined;

  constructor(bench: Bench) {
    this.bench = bench;
  }

  /** A queue Redis as the service wants it: noeviction, AOF every second. `settings`: more lines, or others. */
  async redis(...settings: string[]): Promise<PrivateStore> {
    const store = await startPrivateRedis('queue', [NO_REWRITE, ...settings]);
    return this.#own(store, () => store.stop());
  }

  async cache(): Promise<PrivateStore> {
    const store = await startPrivateRedis('cache');
    return this.#own(store, () => store.stop());
  }

  /** A PostgreSQL that waits for its disk at each commit. */
  async postgres(): Promise<PrivateStore> {
    const store = await startPrivatePostgres(DURABLE);
    return this.#own(store, () => store.stop());
  }

  /** An actor by its compiled file under `test/bench`. */
  actor<C extends Commands = RivalCommands>(file: string): Actor<C> {
    const actor = new Actor<C>(join(this.bench.build.folder, 'test/bench', file));
    return this.#own(actor, () => actor.stop());
  }

  /** Remember how to end something else. */
  onEnd(end: () => Promise<void> | void): void {
    void this.#own(undefined, end);
  }

  end(): Promise<void> {
    this.#ended ??= this.#end();
    return this.#ended;
  }

  async #end(): Promise<void> {
    for (const end of this.#parts.reverse()) {
      try {
        await end();
      } catch (error) {
        this.bench.say(`ending: ${messageOf(error)}`);
      }
    }
  }

  /** What is started while the stage ends would never be ended: it is, at once. */
  #own<T>(part: T, end: () => Promise<void> | void): T {
    if (this.#ended !== undefined) {
      void Promise.resolve(end()).catch((error: unknown) => this.bench.say(messageOf(error)));
      throw new Error('The run is being stopped.');
    }
    this.#parts.push(end);
    return part;
  }
}
