/** Every fault there is, in the order in which they are run. */

import type { Fault } from './fault.ts';
import { DISK_FAULTS } from './faults-disk.ts';
import { POSTGRES_FAULTS } from './faults-postgres.ts';
import { PROCESS_FAULTS } from './faults-process.ts';
import { REDIS_FAULTS } from './faults-redis.ts';

export const FAULTS: readonly Fault[] = [...REDIS_FAULTS, ...POSTGRES_FAULTS, ...PROCESS_FAULTS, ...DISK_FAULTS];
