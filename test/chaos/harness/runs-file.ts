/** The file in which each run of a handler leaves a line: number, job id, attempt. A torn last line is passed over. */

import { linesOf } from './driver-log.ts';

export interface HandlerRun {
  readonly n: number;
  readonly id: string;
  /** 1 for the first. */
  readonly attempt: number;
}

/** The runs of the requests in `[from, to)`, in the order in which they began. */
export async function* runsOf(file: string, from: number, to: number): AsyncGenerator<HandlerRun> {
  for await (const line of linesOf(file)) {
    const [n = '', id, attempt] = line.split(' ');
    if (attempt === undefined || id === undefined) continue;
    if (Number(n) >= from && Number(n) < to) yield { n: Number(n), id, attempt: Number(attempt) };
  }
}

/** The highest attempt that any request from `from` on has come to; 0: none ran. */
export async function highestAttempt(file: string, from: number): Promise<number> {
  let highest = 0;
  for await (const { attempt } of runsOf(file, from, Number.POSITIVE_INFINITY)) highest = Math.max(highest, attempt);
  return highest;
}
