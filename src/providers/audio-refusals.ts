/** What it means when a decoder ends other than well. Pure. */

import { AppError } from '../errors.ts';
import type { Ended } from './bounded-program.ts';

/** Signals that others send; those that a program brings on itself are the file's fault. */
const FROM_OUTSIDE = new Set<string | undefined>(['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP']);
const SHOWN = 160;

/** Throws `audio-unreadable` unless the program ended well; a program killed by somebody else is tried again. */
export function refuseEnding({ how, code, killedBy, stderr }: Ended): void {
  if (how === 'exit' && code === 0) return;
  if (how === 'limit' || how === 'timeout') throw unreadable('it takes more time than is allowed');
  if (how === 'signal' && FROM_OUTSIDE.has(killedBy)) {
    throw new AppError('internal', `The decoder was ended by ${killedBy}.`);
  }
  if (how === 'signal') throw unreadable(`the decoder ended with ${killedBy}`);
  throw unreadable(lastWords(stderr));
}

const unreadable = (why: string) => new AppError('audio-unreadable', `The file cannot be decoded: ${why}.`);

/** The last line that says something, without addresses and control characters. */
function lastWords(stderr: string): string {
  const lines = stderr.split('\n').map((line) => line.replace(/^\[[^\]]*\]\s*|[^\x20-\x7e]/g, '').trim());
  return (lines.findLast((line) => line !== '') ?? 'it is no whole recording').slice(0, SHOWN).replace(/[.]$/, '');
}
