/**
 * Every fault once, under load, with everything that was accepted accounted for afterwards. `docs/reliability.md` tells
 * what is done and what must hold; `CHAOS_SEED=… npm run test:chaos -- <fault>` plays one again.
 */

import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Clock } from './harness/clock.ts';
import type { Fault } from './harness/fault.ts';
import { NUMBERS_PER_RUN, type Report, runFault } from './harness/fault-run.ts';
import { FAULTS } from './harness/fault-table.ts';
import { Service } from './harness/service.ts';
import { chaosSettings, replayCommand } from './harness/settings.ts';

const settings = chaosSettings();
const { seed, outages } = settings;
const ROOT = join(import.meta.dirname, '..', '..');
const START_MS = 90_000;
/** Milliseconds that a run may take besides its outage. */
const RUN_MS = 400_000;
/** Milliseconds for each time that something is done, such as a kill and a start. */
const EACH_MS = 20_000;

let clock: Clock;
let folder: string;
let service: Service | undefined;
let runs = 0;
const kept: string[] = [];

beforeAll(async () => {
  console.error(`chaos seed ${seed.value}, ${outages} outages`);
  clock = new Clock();
  // Logs of what failed are kept here; the journals need a real disk.
  folder = join(ROOT, '.data', 'chaos', `${seed.value}-${process.pid}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  service = await start();
}, START_MS);

afterAll(async () => {
  await service?.stop();
  clock.stop();
  if (kept.length === 0) await rm(folder, { recursive: true, force: true });
  else console.error(`The logs are kept:\n${kept.join('\n')}`);
}, START_MS);

const start = () => Service.start({ clock, seed, folder: join(folder, `service-${runs}`) });

/** Milliseconds that a run may take, on a busy machine. */
function deadlineOf({ doses: { unit } }: Fault, dose: number): number {
  const partMs = { ms: 3, times: EACH_MS, jobs: 20 } as const;
  return RUN_MS + dose * partMs[unit];
}

function tell({ fault, dose, accounts, figures }: Report): void {
  const lines = [`${fault} ${dose}: ${JSON.stringify(accounts)}`, ...figures.map((figure) => figure.join(': '))];
  console.error(lines.join('\n    '));
}

async function runOnce(fault: Fault, dose: number): Promise<Report> {
  runs += 1;
  service ??= await start();
  const report = await runFault({
    fault,
    dose,
    service,
    seed: seed.part(`${fault.name} ${dose}`),
    first: runs * NUMBERS_PER_RUN,
    replay: replayCommand(fault.name, settings),
  });
  if (report.problems.length > 0) {
    // What went wrong here must not be found again in the next run.
    await service.stop();
    service = undefined;
    kept.push(report.folder);
  }
  return report;
}

describe('every 202 takes effect once, every 4xx never, every 5xx at most once', () => {
  for (const fault of FAULTS) {
    for (const dose of fault.doses[outages]) {
      const name = `${fault.name} ${dose} ${fault.doses.unit}`;
      test(
        name,
        async () => {
          const lacking = fault.lacks?.(folder);
          if (lacking !== undefined) {
            expect(lacking).toMatch(/only root may mount|does not let root mount|mounting is known for linux/);
            return console.error(`${name}: not done here, for ${lacking}`);
          }
          const report = await runOnce(fault, dose);
          tell(report);
          expect(report.problems.join('\n'), replayCommand(fault.name, settings)).toBe('');
        },
        deadlineOf(fault, dose),
      );
    }
  }
});
