/**
 * Structured logs: one JSON object a line on standard output.
 *
 * Promises: no payloads and no secrets. Known secret fields are redacted even when somebody logs them by mistake.
 */

import { type Logger, pino } from 'pino';

export type { Logger };

/** Paths that never reach a log line, whatever object carries them. */
const SECRET_PATHS = [
  'password',
  'authorization',
  'apiKey',
  'payload',
  '*.password',
  '*.authorization',
  '*.apiKey',
  '*.payload',
  'req.headers.authorization',
  'req.headers.cookie',
];

export interface LoggerOptions {
  /** pino level: `trace` … `fatal`, or `silent`. */
  readonly level: string;
  /** The process's role: `web`, `worker`, `start`, `cli`. */
  readonly role: string;
  /** Where lines go; standard output unless told. */
  readonly destination?: { write(line: string): void };
}

/** The root logger of a process. */
export function createLogger({ level, role, destination }: LoggerOptions): Logger {
  const options = {
    level,
    base: { role, pid: process.pid },
    redact: { paths: SECRET_PATHS, censor: '[redacted]' },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}
