/**
 * What we use of redlock 5. The package ships types but its `exports` map hides them, and tsconfig `paths` would break
 * the test runner.
 */
declare module 'redlock' {
  import type { EventEmitter } from 'node:events';
  import type { Cluster, Redis as Server } from 'ioredis';

  type Redis = Server | Cluster;

  export interface Settings {
    /** Share of the TTL that is subtracted for clock drift. */
    readonly driftFactor: number;
    /** Tries after the first. */
    readonly retryCount: number;
    /** Milliseconds between tries. */
    readonly retryDelay: number;
    readonly retryJitter: number;
    /** Milliseconds before expiry at which `using` renews. */
    readonly automaticExtensionThreshold: number;
  }

  /** How the servers voted in one try. */
  export interface ExecutionStats {
    readonly votesAgainst: ReadonlyMap<Redis, Error>;
  }

  /** No quorum; `attempts` is empty when the lock had expired before it was asked about. */
  export class ExecutionError extends Error {
    readonly attempts: readonly Promise<ExecutionStats>[];
  }

  /** A vote against: the key is somebody else's, or gone. */
  export class ResourceLockedError extends Error {}

  export class Lock {
    /** Milliseconds since 1970 until which the lock is surely ours; 0 once it was released or replaced. */
    readonly expiration: number;
    /** Delete the key if it is still ours. Rejects with `ExecutionError`. */
    release(): Promise<unknown>;
    /** Extend to `durationMs` from now; the answer replaces this lock. Rejects with `ExecutionError`. */
    extend(durationMs: number): Promise<Lock>;
  }

  export default class Redlock extends EventEmitter {
    constructor(clients: Iterable<Redis>, settings?: Partial<Settings>);
    /** Rejects with `ExecutionError`. */
    acquire(resources: string[], durationMs: number, settings?: Partial<Settings>): Promise<Lock>;
  }
}
