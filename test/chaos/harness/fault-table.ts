/** Every fault there is, in the order in which they are run. */

import type { Fault } from './fault.ts';
import { DISK_FAULTS } from './faults-disk.ts';
import { POSTGRES_FAULTS } from './faults-postgres.ts';
import { PROCESS_FAULTS } from './faults-process.ts';
import { REDIS_FAULTS } from './faults-redis.ts';

export const FAULTS: readonly Fault[] = [...REDIS_FAULTS, ...POSTGRES_FAULTS, ...PROCESS_FAULTS, ...DISK_FAULTS];

/** The table of `docs/reliability.md`. */
export function faultRows(): string[] {
  const shown = {
    ms: (n: number) => `${n / 1000} s`,
    times: (n: number) => `${n} ×`,
    jobs: (n: number) => `${n} jobs`,
  };
  const doses = (list: readonly number[], unit: Fault['doses']['unit']) => list.map(shown[unit]).join(', ');
  return [
    '| fault | what is done | what must hold | short | long |',
    '|---|---|---|---|---|',
    ...FAULTS.map(
      ({ name, how, holds, doses: { unit, short, long } }) =>
        `| \`${name}\` | ${how} | ${holds} | ${doses(short, unit)} | ${doses(long, unit)} |`,
    ),
  ];
}
