/**
 * What `npm start` prints: the lines of its processes under one another, each with its name before it.
 *
 * Promises: a log line of ours (JSON) is shortened to what a person reads; any other line is passed on as it is.
 */

import { z } from 'zod';

const logLine = z.looseObject({ level: z.string(), time: z.string(), msg: z.string().default('') });

/** Fields that a person does not read here: the name before the line says it. */
const UNREAD = new Set(['level', 'time', 'msg', 'role', 'pid', 'hostname']);

/** One log line for a person: `12:00:01 info  listening port=3001`. A line that is not one of ours is returned as it is. */
export function shorten(line: string): string {
  if (!line.startsWith('{')) return line;
  const parsed = logLine.safeParse(parse(line));
  if (!parsed.success) return line;
  const { level, time, msg, ...fields } = parsed.data;
  const pairs = Object.entries(fields).flatMap(([name, value]) =>
    UNREAD.has(name) ? [] : [`${name}=${brief(value)}`],
  );
  return [time.slice(11, 19), level.padEnd(5), msg, ...pairs].filter((part) => part !== '').join(' ');
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    // Not JSON after all: the line is shown as it is.
    return undefined;
  }
}

/** An error as pino writes it down; an AggregateError has an empty stack and message. */
const loggedError = z.looseObject({ message: z.string(), stack: z.string() });

function brief(value: unknown): string {
  if (typeof value === 'string') return /\s/.test(value) ? JSON.stringify(value) : value;
  const error = loggedError.safeParse(value);
  const text = error.success ? error.data.stack || error.data.message : '';
  return text === '' ? JSON.stringify(value) : text;
}

/** Where the lines go. */
export class Output {
  readonly #write: (text: string) => void;
  readonly #width: number;

  /** `names`: the longest one sets the width of the first column. */
  constructor(names: readonly string[], write: (text: string) => void) {
    this.#write = write;
    this.#width = Math.max(8, ...names.map((name) => name.length));
  }

  /** Print a line of the process `name`. */
  line(name: string, text: string): void {
    const prefix = `${name.padEnd(this.#width)} | `;
    this.#write(`${prefix}${shorten(text).replaceAll('\n', `\n${prefix}`)}\n`);
  }

  /** Print a text as it is. */
  text(text: string): void {
    this.#write(`${text}\n`);
  }
}
