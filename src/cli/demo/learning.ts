/** The demo's first stop: edits of three writers, and what was learned of each. */

import { SingleBar } from 'cli-progress';
import { z } from 'zod';
import type { Terminal } from '../terminal.ts';
import { type Api, jobAnswer, untilCompleted } from './api.ts';
import edits from './edits.json' with { type: 'json' };

/** Patterns shown of each writer. */
const SHOWN_PATTERNS = 6;

const styleAnswer = z.object({
  version: z.number(),
  edits: z.number(),
  archetype: z.object({ name: z.string() }).nullable(),
  patterns: z.array(z.object({ example: z.string(), confidence: z.number() })),
});
const evolutionAnswer = z.object({ score: z.number(), settled: z.number(), effort: z.number() });

/** Save every edit through the API, wait for each, and show the writers. */
export async function playLearning(api: Api, { print, say }: Terminal): Promise<void> {
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
