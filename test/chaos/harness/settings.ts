/** What a chaos run is told from outside: its seed, and how long outages last. */

import { Seed } from './seed.ts';

export type Outages = 'short' | 'long';

export interface ChaosSettings {
  readonly seed: Seed;
  /** `short`: at most 5 s, as in CI. `long`: up to a minute. */
  readonly outages: Outages;
}

/** Read CHAOS_SEED (a new one unless given) and CHAOS_OUTAGES (short unless given). Throws when one is wrong. */
export function chaosSettings(environment: NodeJS.ProcessEnv = process.env): ChaosSettings {
  const outages = environment.CHAOS_OUTAGES || 'short';
  if (outages !== 'short' && outages !== 'long') throw new Error('CHAOS_OUTAGES is short or long.');
  return { seed: Seed.from(environment.CHAOS_SEED), outages };
}

/** The command that plays one fault again. */
export function replayCommand(fault: string, { seed, outages }: ChaosSettings): string {
  return `CHAOS_SEED=${seed.value} CHAOS_OUTAGES=${outages} npm run test:chaos -- ${fault}`;
}
