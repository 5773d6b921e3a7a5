/** What must hold of conversations once all is answered, whatever went wrong meanwhile: faults as sentences. */

import type { Database } from '../../src/database/connection.ts';
import type { Behaviour, ModelCall, ModelServer } from './model-server.ts';
import { answerWith, beginStream, pieceOf, refuseWith } from './model-server.ts';

/** The line of a call, which the test writes into the message: `<line>/<n>`. */
export const lineOf = ({ asked }: ModelCall) => asked.split('/')[0] ?? '';

/** Takes `ms`, fails in this share of the calls in one of four ways, and otherwise says again what was asked. */
export function unreliable(random: () => number, share: number, ms: number): Behaviour {
  const failures: readonly Behaviour[] = [
    refuseWith(500),
    refuseWith(429, { 'retry-after': '0.1' }),
    (_call, response) => void response.destroy(),
    (_call, response) => {
      beginStream(response);
      response.write(pieceOf('half of'), () => response.destroy());
    },
  ];
  return async (call, response) => {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms * random());
      call.gone.addEventListener('abort', () => {
        clearTimeout(timer);
        resolve();
      });
    });
    const failure = random() < share ? failures[Math.floor(random() * failures.length)] : undefined;
    await (failure ?? answerWith([`to ${call.asked}`]))(call, response);
  };
}

/** What is wrong: messages without their one reply, replies out of order, two calls of one line at once. */
export async function faultsOf(database: Database, model: ModelServer): Promise<string[]> {
  const faults: string[] = [];
  const rows = await database
    .selectFrom('conversation_messages')
    .select(['conversation_id', 'character_id', 'sequence', 'id', 'role', 'text', 'status', 'in_reply_to'])
    .orderBy('conversation_id')
    .orderBy('sequence')
    .execute();
  const lines = new Map<string, typeof rows>();
  for (const row of rows) {
    const line = `${row.conversation_id}:${row.character_id}`;
    lines.set(line, [...(lines.get(line) ?? []), row]);
  }
  for (const [line, messages] of lines) {
    const asked = messages.filter(({ role }) => role === 'user');
    const replies = messages.filter(({ role }) => role === 'assistant');
    for (const { id, status } of asked) if (status !== 'answered') faults.push(`${line}: ${id} is ${status}`);
    const order = replies.map(({ in_reply_to }) => in_reply_to).join();
    if (order !== asked.map(({ id }) => id).join()) faults.push(`${line}: replies are ${order}`);
    for (const [at, { text }] of replies.entries()) {
      if (text !== `to ${asked[at]?.text}`) faults.push(`${line}: “${asked[at]?.text}” was answered “${text}”`);
    }
  }
  for (const [key, most] of model.mostAtOnce) if (most > 1) faults.push(`${key}: ${most} calls at once`);
  return faults;
}
