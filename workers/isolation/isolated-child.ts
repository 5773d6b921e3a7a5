/**
 * The process of one attempt at an isolated job: loads the definitions, connects, runs one handler, and ends.
 *
 *   node isolated-child.js <pid of the worker>        speaks on file descriptor 3
 *
 * Promises: the handler has the whole context, over connections of this process; once its worker is gone it ends at
 * once, whatever it is doing. Lock, deadline, events and what becomes of the job are the worker's.
 */

import { Socket } from 'node:net';
import { loadConfig } from '../../src/config.ts';
import { BootError, Deadline } from '../../src/lifecycle.ts';
import { createLogger } from '../../src/logger.ts';
import { loadCatalog } from '../../src/queue/catalog.ts';
import { Services } from '../../src/services.ts';
import { longestPaceMs, poolRows } from '../pools.ts';
import { IsolatedRun } from './isolated-run.ts';
import { LineChannel } from './line-channel.ts';
import { MOST_BYTES, type Reply } from './messages.ts';
import { guardOrphan } from './orphan-guard.ts';

/** Milliseconds for closing the connections. */
const CLOSE_MS = 1000;
const CHANNEL_FD = 3;

guardOrphan(Number(process.argv[2]));

// Who stops the worker may signal all of its processes: this one is the worker's to end.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});

const config = loadConfig();
if (config.JOBS_DIR === undefined) throw new BootError('Only a definition that is a file can be isolated.');
const logger = createLogger({ level: config.LOG_LEVEL, role: 'isolated' });
const catalog = await loadCatalog(config.JOBS_DIR);
const services = new Services({ config, catalog, logger, role: 'isolated' });
await services.start();

const { ledger, producer } = services;
const paceMs = longestPaceMs(poolRows(config));
const run = new IsolatedRun({
  catalog,
  tools: {
    services,
    ledger,
    producer,
    wakeOverdue: (graceMs) => producer.wakeOverdue(paceMs + graceMs),
    logger,
  },
  say: (reply: Reply) => channel.say(reply),
});
const channel = new LineChannel({
  socket: new Socket({ fd: CHANNEL_FD, readable: true, writable: true }),
  mostBytes: MOST_BYTES,
  onLine: (line) => run.hear(line),
  onEnd: () => process.kill(-process.pid, 'SIGKILL'),
});

channel.say({ kind: 'ready' });
await run.answered;
await channel.finish();
await services.stop(Deadline.in(CLOSE_MS));
process.exit(0);
