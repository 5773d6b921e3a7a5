/** How soon the service works again once a fault is over: measured from outside, by what it does. */

import { statSync } from 'node:fs';
import { eventually } from '../../support/millrace-process.ts';
import type { Scene } from './fault.ts';
import type { Watch } from './watch.ts';

const LONGEST_MS = 30_000;
/** The aim for the slowest hundredth of answers while a store is away, milliseconds. */
const AIM_P99_MS = 100;
/** What is asked for on a machine that runs other things beside. */
const MUST_P99_MS = 4000;
/** Milliseconds until handlers are entered again: promised, and asked for here. */
const PROMISED_RESUME_MS = 2000;
const MUST_RESUME_MS = 6000;

/** Milliseconds from now until a handler is entered again, to the next 50 ms. */
export async function untilWorking({ service, clock }: Scene): Promise<number> {
  const before = statSync(service.runsFile).size;
  const startedMs = clock.nowMs;
  await eventually(
    async () => statSync(service.runsFile).size,
    (size) => size > before,
    LONGEST_MS,
  );
  return Math.round(clock.nowMs - startedMs);
}

/** Workers take jobs again soon. Call it at the moment at which the store is back. */
export async function demandWorking(scene: Scene): Promise<void> {
  const ms = await untilWorking(scene);
  scene.demand(`working again (promised ${PROMISED_RESUME_MS} ms)`, ms <= MUST_RESUME_MS, `${ms} ms`);
}

/** Callers were answered as if nothing had happened. */
export function demandUnaffected({ demand, report }: Scene, watch: Watch): void {
  report('callers meanwhile', watch.toString());
  demand('answers that were 5xx or never came', watch.failed === 0, String(watch.failed));
  const p99 = watch.quantile(0.99);
  demand(`p99 meanwhile (aim ${AIM_P99_MS} ms)`, p99 <= MUST_P99_MS, `${p99} ms`);
}
