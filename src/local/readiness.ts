/** Waits for web processes to be ready. Promises: one question at a time takes at most a second, and all end in time. */

import { get } from 'node:http';
import { type Deadline, pause } from '../lifecycle.ts';

const ASK_MS = 1000;
const BETWEEN_MS = 50;

/** Wait until `/readyz` on this port of `host` says 200; false at the deadline or when the signal aborts. */
export async function whenReady(host: string, port: number, deadline: Deadline, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted && deadline.leftMs > 0) {
    if (await isReady(host, port)) return true;
    await pause(BETWEEN_MS, signal);
  }
  return false;
}

function isReady(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get({ host, port, path: '/readyz', timeout: ASK_MS, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.once('timeout', () => request.destroy(new Error('no answer')));
    request.once('error', () => resolve(false));
  });
}
