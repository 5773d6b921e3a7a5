/** `millrace keys create`: make an API key and show it, this once. */

import type { Command } from 'commander';
import { withApiKeys } from './api-keys-session.ts';
import type { Terminal } from './terminal.ts';

interface Flags {
  readonly tenant: string;
  readonly label: string;
  readonly operator: boolean;
}

const HELP = `
Examples:
  millrace keys create --tenant acme --label "billing"
  KEY=$(millrace keys create --tenant acme --label "ci")
  curl -H "Authorization: Bearer $KEY" http://localhost:3001/v1/queues

The key alone goes to standard output. It is stored as a hash: nobody can show it again.`;

/** Add the command. */
export function addKeysCreate(keys: Command, terminal: Terminal): void {
  keys
    .command('create')
    .description('Make an API key. It is shown once.')
    .option('--tenant <name>', 'whose jobs it may see: 1–64 of a–z, 0–9 and -', 'default')
    .option('--label <text>', 'what it is for, 1–100 characters', 'unlabelled')
    .option('--operator', 'may also do what concerns all tenants', false)
    .addHelpText('after', HELP)
    .action(async ({ tenant, label, operator }: Flags) => {
      const config = await terminal.config();
      const { id, key } = await withApiKeys(config, (apiKeys) => apiKeys.create({ tenant, label, operator }));
      terminal.say(`Key ${id} for tenant ${tenant}${operator ? ', operator' : ''}. It is shown only now:`);
      terminal.print(key);
    });
}
