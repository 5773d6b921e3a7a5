/** `millrace keys list`: every API key, without the keys themselves. */

import type { Command } from 'commander';
import type { ApiKeyRecord } from '../access/api-keys.ts';
import { withApiKeys } from './api-keys-session.ts';
import type { Terminal } from './terminal.ts';

const HEAD = ['id', 'tenant', 'operator', 'created', 'revoked', 'label'];

/** Add the command. */
export function addKeysList(keys: Command, terminal: Terminal): void {
  keys
    .command('list')
    .description('List all API keys, revoked ones included.')
    .option('--json', 'one JSON object a line', false)
    .addHelpText(
      'after',
      '\nExamples:\n  millrace keys list\n  millrace keys list --json | jq -r \'select(.tenant == "acme").id\'',
    )
    .action(async ({ json }: { json: boolean }) => {
      const records = await withApiKeys(await terminal.config(), (apiKeys) => apiKeys.list());
      const lines = json ? records.map((record) => JSON.stringify(record)) : tableOf(records);
      for (const line of lines) terminal.print(line);
    });
}

function tableOf(records: readonly ApiKeyRecord[]): string[] {
  const rows = [HEAD, ...records.map(cellsOf)];
  const widths = HEAD.map((_head, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

function cellsOf({ id, tenant, operator, createdAt, revokedAt, label }: ApiKeyRecord): string[] {
  return [id, tenant, operator ? 'yes' : 'no', day(createdAt), revokedAt === null ? '-' : day(revokedAt), label];
}

function day(date: Date): string {
  return date.toISOString().slice(0, 16).replace('T', ' ');
}
