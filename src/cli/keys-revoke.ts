/** `millrace keys revoke`: end an API key. */

import type { Command } from 'commander';
import { AppError } from '../errors.ts';
import { withApiKeys } from './api-keys-session.ts';
import type { Terminal } from './terminal.ts';

/** Add the command. */
export function addKeysRevoke(keys: Command, terminal: Terminal): void {
  keys
    .command('revoke')
    .description('Revoke an API key. Every process refuses it within 60 s.')
    .argument('<id>', 'the id that `millrace keys list` shows')
    .addHelpText('after', '\nExample:\n  millrace keys revoke 3f9c0a61b2d4')
    .action(async (id: string) => {
      const revoked = await withApiKeys(await terminal.config(), (apiKeys) => apiKeys.revoke(id));
      if (!revoked) throw new AppError('invalid-input', `There is no key ${id} that could be revoked.`);
      terminal.say(`Key ${id} is revoked. Every process refuses it within 60 s.`);
    });
}
