/**
 * Contenders in turn, round by round, so that what the machine does meanwhile meets them all alike.
 *
 * Promises: each gets its turns that do not count, then one a round, the order turned by one each round. One that
 * fails is told with its reason and takes no further part; the others go on.
 */

import { messageOf } from '../../../src/errors.ts';
import type { Figure, Row, Sample, Section } from './samples.ts';

export interface Contender<T = Sample> {
  readonly name: string;
  /** Row that it is compared with. */
  readonly against?: string | undefined;
  /** Measure once. */
  slice(): Promise<T>;
  /** Clear away what would disturb the next contender's turn. */
  rest?(): Promise<void>;
}

/** How the rows are shown. */
export interface SectionForm {
  readonly id: string;
  readonly title: string;
  readonly compared: Figure;
  readonly notes?: readonly string[];
}

export interface RoundsOptions {
  readonly rounds: number;
  /** Turns that do not count, before those that do; default 1. None for what is the same every time. */
  readonly warmUps?: number;
  /** Clear away what the round left, before the next one. */
  readonly afterRound?: () => Promise<void>;
  readonly say: (line: string) => void;
}

/** Measure them all: one sample a turn. */
export async function inRounds(
  form: SectionForm,
  contenders: readonly Contender[],
  options: RoundsOptions,
): Promise<Section> {
  const whole = contenders.map((contender) => ({
    ...contender,
    slice: async () => ({ [form.id]: await contender.slice() }),
    ...(contender.rest !== undefined && { rest: () => contender.rest?.() ?? Promise.resolve() }),
  }));
  const [section] = await allInRounds([form], whole, options);
  if (section === undefined) throw new Error('a form gives a section');
  return section;
}

/** As `inRounds`, where one turn gives a sample for each of several sections, by their ids. */
export async function allInRounds(
  forms: readonly SectionForm[],
  contenders: readonly Contender<Readonly<Record<string, Sample>>>[],
  { rounds, warmUps = 1, afterRound, say }: RoundsOptions,
): Promise<Section[]> {
  const turns = new Map<string, Readonly<Record<string, Sample>>[]>(contenders.map(({ name }) => [name, []]));
  const failures = new Map<string, string>();
  for (let round = 1 - warmUps; round <= rounds; round++) {
    const first = (round + warmUps) % contenders.length;
    for (const contender of [...contenders.slice(first), ...contenders.slice(0, first)]) {
      const { name } = contender;
      if (failures.has(name)) continue;
      try {
        const samples = await contender.slice();
        await contender.rest?.();
        if (round > 0) turns.get(name)?.push(samples);
        const values = forms.map(({ id, compared }) => (samples[id]?.[compared] ?? Number.NaN).toFixed(2));
        say(`${forms[0]?.id} ${round <= 0 ? 'warm-up' : `${round}/${rounds}`}  ${name}: ${values.join(' · ')}`);
      } catch (error) {
        failures.set(name, messageOf(error));
        say(`${forms[0]?.id}  ${name} FAILED: ${messageOf(error)}`);
      }
    }
    await afterRound?.();
  }
  return forms.map(({ notes = [], ...form }) => ({
    ...form,
    notes,
    rows: contenders.map(
      ({ name, against }): Row => ({
        name,
        samples: (turns.get(name) ?? []).flatMap((samples) => samples[form.id] ?? []),
        against,
        failure: failures.get(name),
      }),
    ),
  }));
}
