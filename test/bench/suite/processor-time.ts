/**
 * Processor time of processes, from /proc. Where there is none (macOS) it is not measured, and no column is printed.
 *
 * Nanoseconds of every thread that is alive: what a thread has used is lost when it ends, which the threads of Node,
 * Redis and PostgreSQL's sessions do not do within a slice.
 */

import { readdir, readFile } from 'node:fs/promises';

/** Microseconds that these processes have used so far, their children included; undefined when it cannot be told. */
export async function processorUs(pids: readonly number[]): Promise<number | undefined> {
  const all = await Promise.all(pids.map(familyUs));
  return all.some((us) => us === undefined) ? undefined : all.reduce<number>((sum, us) => sum + (us ?? 0), 0);
}

async function familyUs(pid: number): Promise<number | undefined> {
  try {
    const threads = await readdir(`/proc/${pid}/task`);
    const parts = await Promise.all(
      threads.map(async (thread) => {
        const [spent = '0'] = (await readFile(`/proc/${pid}/task/${thread}/schedstat`, 'utf8')).split(' ');
        const children = await readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => '');
        const below = await Promise.all(children.split(' ').filter(Boolean).map(Number).map(familyUs));
        return below.reduce<number>((sum, us) => sum + (us ?? 0), Number(spent) / 1000);
      }),
    );
    return parts.reduce((sum, us) => sum + us, 0);
  } catch {
    // It has ended, or this system has no /proc.
    return undefined;
  }
}

/** Megabytes of memory that a process holds; NaN when it cannot be told. */
export async function residentMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) / 1024;
}
