/** The processes of isolated jobs that workers of one world have started, whoever is their parent by now. */

import { readdirSync, readFileSync } from 'node:fs';
import { eventually } from './millrace-process.ts';
import type { World } from './world.ts';

/** Their process numbers; of those that wait for a job, too. */
export function isolatedProcesses({ config }: World): number[] {
  // Unlike its prefixes this is no other run's, should one go on beside this one.
  const mark = `JOURNAL_DIR=${config.JOURNAL_DIR}`;
  const isOurs = (pid: string) => {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
      return command.includes('isolated-child') && environment.includes(mark);
    } catch {
      // It has ended meanwhile.
      return false;
    }
  };
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter(isOurs)
    .map(Number);
}

/** Wait until none is left. */
export async function noIsolatedProcess(world: World, ms: number): Promise<void> {
  await eventually(
    async () => isolatedProcesses(world),
    (pids) => pids.length === 0,
    ms,
  );
}
