/**
 * `millrace recover`: brings back jobs that stand in no list of their queue, as after `DEL bull:learning:active`.
 *
 * Promises: a job that a worker has is left to it; doing it twice is harmless. Jobs of a worker that died need no help:
 * any other worker of their queue takes them over within 15 s.
 */

import type { Command } from 'commander';
import { StrayJobs } from '../queue/stray-jobs.ts';
import { withRedis } from './redis-session.ts';
import type { Terminal } from './terminal.ts';

/** Milliseconds between the first two looks: longer than the lock of a worker that has died lasts. */
const AGAIN_MS = 8000;
const MOST_MS = 120_000;

const HELP = `
Never delete a list of a queue to clear "stuck" jobs: that is what this mends. Counts are printed as JSON.

Example:
  millrace recover --dry-run`;

/** Add the command. */
export function addRecover(program: Command, terminal: Terminal): void {
  program
    .command('recover')
    .description(
      'Put accepted jobs back that stand in no list of their queue, and remove what is left of finished ones.',
    )
    .option('--dry-run', 'change nothing, say what would be', false)
    .addHelpText('after', HELP)
    .action(async ({ dryRun }: { dryRun: boolean }) => {
      const config = await terminal.config();
      const { requeued, removed } = await withRedis(config, 'recover', (redis) => {
        const breaker = { run: <T>(work: () => Promise<T>) => work() };
        const options = { redis, breaker, prefix: config.QUEUE_PREFIX, quietMs: 0, againMs: AGAIN_MS };
        return new StrayJobs(options).removeExpired({ dryRun, signal: AbortSignal.timeout(MOST_MS) });
      });
      terminal.print(JSON.stringify({ requeued, removed, dryRun }));
    });
}
