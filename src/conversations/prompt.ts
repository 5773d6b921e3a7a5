/**
 * What a model is told: who it is, how the user writes, and what was said before. Pure.
 *
 * Promises: the same input gives the same prompt; it is bounded whatever was said; a message is told together with its
 * own reply, in the order of the messages, and nothing that was said after the message to answer.
 */

import type { Pattern } from '../profiles/patterns.ts';
import type { Preferences } from '../profiles/preferences.ts';
import type { ModelMessage } from '../providers/model.ts';

/** Who a user talks to. */
export interface Character {
  readonly id: string;
  readonly name: string;
  /** What the model is told of itself. */
  readonly prompt: string;
}

/** What of a style profile shapes a reply. */
export interface Style {
  readonly patterns: readonly Pick<Pattern, 'example' | 'confidence'>[];
  readonly preferences: Preferences;
}

/** A message and the reply to it. */
export interface Exchange {
  readonly text: string;
  /** Null: there is none. */
  readonly reply: string | null;
}

/** Exchanges that are told of, the newest. */
export const EXCHANGES = 20;
/** Characters of all of them. */
const HISTORY_CHARACTERS = 24_000;
const MOST_HABITS = 8;
const LEAST_CONFIDENCE = 0.3;
const LINE_CHARACTERS = 200;
const NOTE_CHARACTERS = 1000;
const MOST_SUBSTITUTIONS = 10;

/** The character that answers where nobody has defined one. */
export function defaultCharacter(id: string): Character {
  return { id, name: id, prompt: 'You are a kind and attentive partner in a conversation. Keep your answers short.' };
}

/** How the user writes, a line each; empty for a user whose style is not known. */
export function styleLines({ patterns, preferences }: Style): string[] {
  const habits = patterns
    .filter(({ confidence }) => confidence >= LEAST_CONFIDENCE)
    .slice(0, MOST_HABITS)
    .map(({ example }) => oneLine(example, LINE_CHARACTERS));
  const words = Object.entries(preferences.substitutions ?? {})
    .slice(0, MOST_SUBSTITUTIONS)
    .map(([from, to]) => `says “${oneLine(to, LINE_CHARACTERS)}” rather than “${oneLine(from, LINE_CHARACTERS)}”`);
  const note = preferences.note === undefined ? [] : [`says of it: ${oneLine(preferences.note, NOTE_CHARACTERS)}`];
  return [...habits, ...words, ...note].filter((line) => line !== '');
}

/** What the model is told before the conversation. */
export function personalityOf({ name, prompt }: Character, style: readonly string[]): string {
  const who = `Your name is ${name}. ${prompt}`;
  if (style.length === 0) return who;
  const lines = style.map((line) => `- ${line}`).join('\n');
  return `${who}\n\nThe person you talk to has a style of their own. Answer so that it fits. This person:\n${lines}`;
}

/** The prompt: personality, the newest exchanges that have room, and the message to answer. */
export function promptFor(personality: string, before: readonly Exchange[], text: string): ModelMessage[] {
  const told: ModelMessage[] = [];
  let room = HISTORY_CHARACTERS - text.length;
  for (const { text: said, reply } of [...before].reverse().slice(0, EXCHANGES)) {
    room -= said.length + (reply?.length ?? 0);
    if (room < 0) break;
    if (reply !== null) told.unshift({ role: 'assistant', content: reply });
    told.unshift({ role: 'user', content: said });
  }
  return [{ role: 'system', content: personality }, ...told, { role: 'user', content: text }];
}

function oneLine(text: string, characters: number): string {
  return text
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim()
    .slice(0, characters);
}
