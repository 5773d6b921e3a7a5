/** `millrace set-aside`: accepted jobs that their queue would not take. */

import { join } from 'node:path';
import type { Command } from 'commander';
import { AppError } from '../errors.ts';
import { SetAside } from '../journal/set-aside.ts';
import type { Terminal } from './terminal.ts';

/** Add the commands. */
export function addSetAside(program: Command, terminal: Terminal): void {
  const group = program
    .command('set-aside')
    .description('Accepted jobs that their queue would not take, in JOURNAL_DIR of this machine.');

  group
    .command('list')
    .description('List them with the reason, one JSON object a line.')
    .action(async () => {
      for (const { entry, reason } of await (await open(terminal)).list()) {
        terminal.print(JSON.stringify({ id: entry.id, job: entry.name, tenant: entry.tenant, reason }));
      }
    });

  group
    .command('retry <id>')
    .description('Let a job try again: a running web process takes it up within seconds.')
    .action(async (id: string) => {
      if (!(await (await open(terminal)).retry(id))) throw notThere(id);
      terminal.say(`${id} may try again.`);
    });

  group
    .command('drop <id>')
    .description('Give a job up for good.')
    .action(async (id: string) => {
      if (!(await (await open(terminal)).drop(id))) throw notThere(id);
      terminal.say(`${id} is gone.`);
    });
}

async function open(terminal: Terminal): Promise<SetAside> {
  const { JOURNAL_DIR, DATA_DIR } = await terminal.config();
  const setAside = new SetAside({ directory: JOURNAL_DIR ?? join(DATA_DIR, 'journal') });
  await setAside.start();
  return setAside;
}

function notThere(id: string): AppError {
  return new AppError(
    'job-not-found',
    `No job "${id.slice(0, 100)}" is set aside here. See \`millrace set-aside list\`.`,
  );
}
