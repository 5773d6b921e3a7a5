/** The demo's conversation: a few messages at once, and their replies in order, as they come. */

import { z } from 'zod';
import { pause } from '../../lifecycle.ts';
import type { Terminal } from '../terminal.ts';
import type { Api } from './api.ts';

const MESSAGES = [
  'Good morning! I am writing a short letter to thank a friend.',
  'She lent me her bicycle for a whole summer. What should the first sentence say?',
  'Thank you. Now say the same in at most eight words.',
];
/** Milliseconds between two looks at a reply that is being made, and until the demo goes on without it. */
const LOOK_MS = 150;
const PATIENCE_MS = 120_000;

const healthAnswer = z.object({ services: z.object({ model: z.string() }) });
const keptAnswer = z.object({ job: z.string(), position: z.number() });
const jobAnswer = z.object({
  state: z.string(),
  progress: z.unknown(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
});
const progressAnswer = z.object({ from: z.number(), text: z.string() });
const conversationAnswer = z.object({
  messages: z.array(z.object({ role: z.string(), text: z.string(), inReplyTo: z.string().nullable() })),
});
const usageAnswer = z.object({ days: z.array(z.object({ promptTokens: z.number(), completionTokens: z.number() })) });

/** Talk to a character, or say in one line how to make that possible. */
export async function playConversation(api: Api, { print, say }: Terminal): Promise<void> {
  const { services } = await api.call(healthAnswer, 'GET', '/health');
  print('');
  if (services.model === 'not configured') {
    print(
      'A conversation: AI_BASE_URL is not set. Start with AI_BASE_URL=http://127.0.0.1:8080/v1 AI_MODEL=… npm start',
    );
    return;
  }
  const userId = 'ada';
  const path = `/api/conversations/demo-${Date.now().toString(36)}`;
  say(`Saying ${MESSAGES.length} things at once; they are answered one at a time.`);
  print(`── a conversation ${'─'.repeat(44)}`);
  const kept: z.output<typeof keptAnswer>[] = [];
  for (const text of MESSAGES) {
    kept.push(await api.call(keptAnswer, 'POST', `${path}/messages`, { userId, characterId: 'mira', text }));
  }
  for (const [at, { job, position }] of kept.entries()) {
    print(`  ada (place ${position}): ${MESSAGES[at] ?? ''}`);
    const error = await watchReply(api, job, (piece) => print(`    mira: … ${piece}`));
    if (error !== undefined) print(`    no reply: ${error}`);
  }
  const { messages } = await api.call(conversationAnswer, 'GET', path);
  for (const { text } of messages.filter(({ role }) => role === 'assistant')) print(`  stored: ${text}`);
  const day = new Date().toISOString().slice(0, 10);
  const usage = await api.call(usageAnswer, 'GET', `/v1/usage/tokens?userId=${userId}&from=${day}&to=${day}`);
  const [today] = usage.days;
  if (today !== undefined)
    print(`  tokens of ada today: ${today.promptTokens} read, ${today.completionTokens} written`);
  print(`  ${api.link(path)}`);
}

/** Show what is new of a reply until it is stored. Returns why there is none, if there is none. */
async function watchReply(api: Api, job: string, show: (piece: string) => void): Promise<string | undefined> {
  const untilMs = Date.now() + PATIENCE_MS;
  let shown = 0;
  while (Date.now() < untilMs) {
    const { state, progress, error } = await api.call(jobAnswer, 'GET', `/v1/jobs/${job}`);
    const told = progressAnswer.safeParse(progress);
    if (told.success) {
      const { from, text } = told.data;
      const piece = text.slice(Math.max(0, shown - from)).replaceAll('\n', ' ');
      if (piece !== '') show(piece);
      shown = Math.max(shown, from + text.length);
    }
    if (state === 'completed') return undefined;
    if (state === 'dead' || state === 'cancelled') return `${error?.code ?? state}: ${error?.message ?? ''}`;
    await pause(LOOK_MS);
  }
  return `nothing within ${PATIENCE_MS / 1000} s; does a worker run?`;
}
