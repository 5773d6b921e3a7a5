/** What `npm run bench` was asked for. */

import { parseArgs } from 'node:util';

export const CASES = [
  'http',
  'bulk',
  'stream',
  'drain',
  'machinery',
  'latency',
  'end-to-end',
  'memory',
  'backlog',
  'aof',
  'ready',
] as const;
export type CaseName = (typeof CASES)[number];

export interface BenchOptions {
  readonly cases: readonly CaseName[];
  /** Slices of each contender that count; one more before them warms up. */
  readonly rounds: number;
  /** A smoke run: everything once or twice and short, its figures worth little. */
  readonly quick: boolean;
  /** File that gets every slice. */
  readonly json: string | undefined;
  /** Profile our processes, and print where their time goes. */
  readonly profile: boolean;
}

export const USAGE = `npm run bench -- [--cases ${CASES.join(',')}] [--rounds 7] [--quick] [--json file] [--profile]`;

/** Read the arguments. Throws with the usage when they are wrong. */
export function readOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      cases: { type: 'string' },
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      profile: { type: 'boolean', default: false },
    },
  });
  const rounds = Number(values.rounds ?? (values.quick ? 2 : 7));
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) throw new Error(`--rounds must be 1–100.\n${USAGE}`);
  const named = values.cases?.split(',') ?? CASES;
  const cases = named.map((name) => {
    const found = CASES.find((each) => each === name);
    if (found === undefined) throw new Error(`There is no case "${name}".\n${USAGE}`);
    return found;
  });
  return { cases, rounds, quick: values.quick, json: values.json, profile: values.profile };
}
