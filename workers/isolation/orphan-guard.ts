/**
 * A thread in the process of an isolated job that ends it, and all it has started, once its worker is gone.
 *
 * A handler in an endless loop lets its main thread hear nothing, so a thread must look, on every system. A worker that
 * was killed is noticed within half a second.
 */

import { Worker } from 'node:worker_threads';

const LOOK_MS = 500;

/** A text, since a thread has no loader for TypeScript under the test runner. */
const LOOK = `
  const { workerData: { workerPid, lookMs } } = require('node:worker_threads');
  setInterval(() => {
    if (process.ppid === workerPid) return;
    try { process.kill(-process.pid, 'SIGKILL'); } finally { process.kill(process.pid, 'SIGKILL'); }
  }, lookMs);
`;

/** Look after this process until it ends. */
export function guardOrphan(workerPid: number): void {
  new Worker(LOOK, { eval: true, execArgv: [], workerData: { workerPid, lookMs: LOOK_MS } }).unref();
}
