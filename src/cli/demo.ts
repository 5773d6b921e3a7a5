/** `millrace demo`: a tour through the HTTP API of a running service, one stop after the other. */

import type { Command } from 'commander';
import { readLocalAddress } from '../local/state.ts';
import { Api } from './demo/api.ts';
import { playAudio } from './demo/audio.ts';
import { playCharts } from './demo/charts.ts';
import { playConversation } from './demo/conversation.ts';
import { playLearning } from './demo/learning.ts';
import { playMail } from './demo/mail.ts';
import { playMedia } from './demo/media.ts';
import type { Terminal } from './terminal.ts';

/** The stops of the tour, in order. */
const STOPS = [playLearning, playMedia, playAudio, playMail, playConversation, playCharts];

const HELP = `
Start the service first: npm start. The edits are those of src/cli/demo/edits.json.

Example:
  millrace demo --url http://127.0.0.1:3001`;

/** Add the command. */
export function addDemo(program: Command, terminal: Terminal): void {
  program
    .command('demo')
    .description('Play the edits of three writers through the HTTP API, and show what was learned.')
    .option('--url <url>', 'where the service listens; default: the `npm start` of this folder')
    .option('--key <key>', 'an API key, when the service asks for one')
    .addHelpText('after', HELP)
    .action(async ({ url, key }: { url?: string; key?: string }) => {
      const { PORT, DATA_DIR } = await terminal.config();
      const base = url ?? (await readLocalAddress(DATA_DIR)) ?? `http://127.0.0.1:${PORT}`;
      const api = new Api(base, key);
      for (const play of STOPS) await play(api, terminal);
    });
}
