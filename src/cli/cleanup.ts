/** `millrace cleanup`: run a cleanup job of a running service now, through its HTTP API. */

import type { Command } from 'commander';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { readLocalAddress } from '../local/state.ts';
import { Api, jobAnswer, untilCompleted } from './demo/api.ts';
import type { Terminal } from './terminal.ts';

const QUEUE = 'cleanup';

const HELP = `
Cleanups run by themselves; this is for looking first, and for not waiting. See docs/cleanup.md.

Examples:
  millrace cleanup                                    lists them
  millrace cleanup remove-finished-jobs --dry-run     says what would go`;

const definitionsAnswer = z.object({
  definitions: z.array(
    z.object({
      name: z.string(),
      queue: z.string(),
      about: z.string(),
      payload: z.object({ properties: z.unknown() }),
    }),
  ),
});

interface CleanupOptions {
  readonly url?: string;
  readonly key?: string;
  readonly dryRun: boolean;
}

/** Add the command. */
export function addCleanup(program: Command, terminal: Terminal): void {
  program
    .command('cleanup [job]')
    .description('Remove what is past its time, and print how much that was; without a job, list the cleanups.')
    .option('--dry-run', 'remove nothing, say what would be', false)
    .option('--url <url>', 'where the service listens; default: the `npm start` of this folder')
    .option('--key <key>', 'an API key, when the service asks for one')
    .addHelpText('after', HELP)
    .action(async (job: string | undefined, { url, key, dryRun }: CleanupOptions) => {
      const { PORT, DATA_DIR } = await terminal.config();
      const api = new Api(url ?? (await readLocalAddress(DATA_DIR)) ?? `http://127.0.0.1:${PORT}`, key);
      const cleanups = await listCleanups(api);
      if (job === undefined) {
        for (const { name, about } of cleanups) terminal.print(`${name.padEnd(34)} ${about}`);
        return;
      }
      const name = job.startsWith(`${QUEUE}.`) ? job : `${QUEUE}.${job}`;
      if (!cleanups.some((each) => each.name === name)) {
        throw new AppError('unknown-job', `There is no cleanup "${job.slice(0, 64)}". See \`millrace cleanup\`.`);
      }
      const { id } = await api.call(jobAnswer, 'POST', '/v1/jobs', { job: name, payload: { dryRun } });
      terminal.say(`${name} is job ${id}.`);
      terminal.print(JSON.stringify(await untilCompleted(api, id)));
    });
}

/** The jobs of the cleanup queue that know what a dry run is. */
async function listCleanups(api: Api) {
  const { definitions } = await api.call(definitionsAnswer, 'GET', '/v1/definitions');
  const knowsDryRun = ({ payload }: (typeof definitions)[number]) =>
    typeof payload.properties === 'object' && payload.properties !== null && 'dryRun' in payload.properties;
  return definitions.filter((each) => each.queue === QUEUE && knowsDryRun(each));
}
