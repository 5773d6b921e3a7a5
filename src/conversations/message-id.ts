/** Ids of messages: time-ordered and random; with a caller's key, the same for every repeat of it. */

import { createHash, randomBytes } from 'node:crypto';

/** `msg_`, the time and 80 random bits. */
export function newMessageId(nowMs = Date.now()): string {
  return `msg_${nowMs.toString(16).padStart(12, '0')}${randomBytes(10).toString('hex')}`;
}

/** `msg_` and the SHA-256 of a conversation and a key. */
export function messageIdFor(conversationId: string, key: string): string {
  return `msg_${createHash('sha256')
    .update(JSON.stringify([conversationId, key]))
    .digest('hex')}`;
}
