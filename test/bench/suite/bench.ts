/** What every case is given: the options, the build, the programs, and somewhere to say how far it is. */

import type { Build } from './build.ts';
import type { BenchOptions } from './options.ts';
import type { RoundsOptions } from './rounds.ts';
import type { Section } from './samples.ts';
import type { Stage } from './stage.ts';

export interface Bench {
  readonly options: BenchOptions;
  readonly build: Build;
  /** Absolute path of wrk; undefined: the bench's own client loads instead. */
  readonly wrk: string | undefined;
  /** Tell how far it is. */
  readonly say: (line: string) => void;
}

/** Measures one subject. What it starts, the stage ends. */
export type Case = (stage: Stage) => Promise<Section[]>;

/** The usual number, or the one for a smoke run. */
export function sized({ bench }: Stage, usual: number, quick: number): number {
  return bench.options.quick ? quick : usual;
}

/** The run's number of rounds. */
export function roundsOf({ bench }: Stage): RoundsOptions {
  return { rounds: bench.options.rounds, say: (line) => bench.say(line) };
}
