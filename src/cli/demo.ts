/** `millrace demo`: play the shipped edits of three writers through the HTTP API, and show what was learned of each. */

import { SingleBar } from 'cli-progress';
import type { Command } from 'commander';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { readLocalAddress } from '../local/state.ts';
import edits from './demo-edits.json' with { type: 'json' };
import type { Terminal } from './terminal.ts';

/** Seconds that a job may take before the demo asks again, and how often it asks. */
const WAIT_SECONDS = 30;
const MOST_ASKS = 6;
/** Patterns shown of each writer. */
const SHOWN_PATTERNS = 6;
const CALL_MS = 40_000;

const jobAnswer = z.object({ id: z.string(), state: z.string() });
const styleAnswer = z.object({
  version: z.number(),
  edits: z.number(),
  archetype: z.object({ name: z.string() }).nullable(),
  patterns: z.array(z.object({ example: z.string(), confidence: z.number() })),
});
const evolutionAnswer = z.object({ score: z.number(), settled: z.number(), effort: z.number() });

const HELP = `
Start the service first: npm start. The edits are those of src/cli/demo-edits.json.

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
      await playDemo(new Api(base, key), terminal);
    });
}

/** The HTTP API as the demo uses it. */
class Api {
  readonly #base: string;
  readonly #headers: Record<string, string>;

  constructor(base: string, key: string | undefined) {
    this.#base = base;
    this.#headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  }

  async call<T>(schema: z.ZodType<T>, method: 'GET' | 'POST', path: string, body?: unknown): Promise<T> {
    const response = await this.#fetch(method, path, body);
    const answer: unknown = await response.json();
    if (response.ok) return schema.parse(answer);
    throw new AppError('work-refused', `${method} ${path} answered ${response.status}: ${JSON.stringify(answer)}`);
  }

  async #fetch(method: string, path: string, body: unknown): Promise<Response> {
    try {
      return await fetch(this.#base + path, {
        method,
        headers: { ...this.#headers, 'content-type': 'application/json' },
        signal: AbortSignal.timeout(CALL_MS),
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
    } catch (error) {
      const cure = 'Start the service with `npm start` in another terminal, or name it with --url.';
      throw new AppError('store-unavailable', `Nothing answers at ${this.#base}. ${cure}`, { cause: error });
    }
  }
}

async function playDemo(api: Api, { print, say }: Terminal): Promise<void> {
  const writers = [...new Set(edits.map(({ userId }) => userId))];
  say(`Saving ${edits.length} edits of ${writers.length} writers, and waiting until each is learned.`);
  const bar = new SingleBar({ format: '{bar} {value}/{total} {what}', hideCursor: true, noTTYOutput: false });
  bar.start(edits.length * 2, 0, { what: 'saved' });
  try {
    const ids: string[] = [];
    for (const { contentId, ...edit } of edits) {
      const { id } = await api.call(jobAnswer, 'POST', `/api/content/${contentId}/save-edits`, edit);
      ids.push(id);
      bar.increment(1, { what: 'saved' });
    }
    for (const id of ids) {
      await untilCompleted(api, id);
      bar.increment(1, { what: 'learned' });
    }
  } finally {
    bar.stop();
  }
  for (const userId of writers) await showWriter(api, userId, print);
}

async function untilCompleted(api: Api, id: string): Promise<void> {
  for (let ask = 0; ask < MOST_ASKS; ask++) {
    const { state } = await api.call(jobAnswer, 'GET', `/v1/jobs/${id}?wait=${WAIT_SECONDS}`);
    if (state === 'completed') return;
    if (state === 'dead' || state === 'cancelled') throw new AppError('work-refused', `Job ${id} is ${state}.`);
  }
  throw new AppError(
    'work-refused',
    `Job ${id} did not finish within ${MOST_ASKS * WAIT_SECONDS} s. Does a worker run?`,
  );
}

async function showWriter(api: Api, userId: string, print: Terminal['print']): Promise<void> {
  const query = `userId=${encodeURIComponent(userId)}`;
  const style = await api.call(styleAnswer, 'GET', `/api/profile/style?${query}`);
  const evolution = await api.call(evolutionAnswer, 'GET', `/api/profile/evolution?${query}`);
  const facts = [
    ['edits learned', String(style.edits)],
    ['version', String(style.version)],
    ['sounds most like', style.archetype?.name ?? 'nobody yet'],
    ['evolution', `${Math.round(evolution.score)} of 100, settled ${evolution.settled.toFixed(2)}`],
  ] as const;
  print('');
  print(`── ${userId} ${'─'.repeat(Math.max(0, 60 - userId.length))}`);
  for (const [name, value] of facts) print(`  ${name.padEnd(18)}${value}`);
  print('  habits');
  for (const { example, confidence } of style.patterns.slice(0, SHOWN_PATTERNS)) {
    print(`    ${confidence.toFixed(2)}  ${example}`);
  }
}
