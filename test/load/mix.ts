/** Which jobs the load is made of, and in which shares. */

import type { Random } from './random.ts';

/** A job and how often it comes, against the sum of all weights. */
export interface MixPart {
  readonly job: string;
  readonly weight: number;
}

/** A name that a service could give a job: what stands in a URL, a log or a page needs no more. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const MOST_PARTS = 50;
const MOST_WEIGHT = 1_000_000;

/** Read `learning.process-edit=3,cleanup.wake-overdue=1`; a job without a weight has 1. Problems: one sentence each. */
export function readMix(text: string): { readonly parts: readonly MixPart[]; readonly problems: readonly string[] } {
  const parts: MixPart[] = [];
  const problems: string[] = [];
  for (const piece of text.split(',').map((each) => each.trim())) {
    const [job = '', weightText = '1', ...rest] = piece.split('=');
    const weight = /^\d+([.]\d+)?$/.test(weightText) ? Number(weightText) : Number.NaN;
    if (!NAME.test(job) || rest.length > 0) {
      problems.push(`"${piece}" is not like queue.verb-object=3.`);
    } else if (!(weight > 0 && weight <= MOST_WEIGHT)) {
      problems.push(`the weight of ${job} must be a number above 0, at most ${MOST_WEIGHT}.`);
    } else if (parts.some((part) => part.job === job)) {
      problems.push(`${job} is named twice. Add its weights up.`);
    } else {
      parts.push({ job, weight });
    }
  }
  if (parts.length > MOST_PARTS) problems.push(`at most ${MOST_PARTS} jobs can be mixed.`);
  return { parts, problems };
}

/** Draw one part of the mix by its weight. */
export function drawPart<T extends { readonly weight: number }>(parts: readonly [T, ...T[]], random: Random): T {
  const sum = parts.reduce((total, { weight }) => total + weight, 0);
  let left = random.next() * sum;
  for (const part of parts) {
    left -= part.weight;
    if (left < 0) return part;
  }
  // Only rounding gets here.
  return parts[0];
}
