/** What can happen to the disk of a journal. The web process writes to a small disk of its own meanwhile. */

import { join } from 'node:path';
import { eventually } from '../../support/millrace-process.ts';
import type { Fault, Scene } from './fault.ts';
import type { ServiceProcess } from './service-process.ts';
import { type DiskKind, mountSmallDisk, type NoDisk, type SmallDisk } from './small-disk.ts';
import { lookAtJournals } from './store-evidence.ts';
import type { Watch } from './watch.ts';

const DISK_BYTES = { memory: 3 * 1024 * 1024, file: 24 * 1024 * 1024 } as const satisfies Record<DiskKind, number>;
const ANSWERS_MS = 20_000;
/** Requests sent to a full disk in one go. */
const BURST = 20;
const RELAYED_MS = 30_000;

/** The first web process, with its journal on a small disk. */
async function onSmallDisk(
  scene: Scene,
  kind: DiskKind,
  work: (disk: SmallDisk, web: ServiceProcess) => Promise<void>,
) {
  const { service, note } = scene;
  const web = service.webs[0];
  if (web === undefined) throw new Error('There is no web process.');
  const disk = mountSmallDisk(kind, join(service.folder, `disk-${kind}`), DISK_BYTES[kind]);
  if ('reason' in disk) throw new Error(disk.reason);
  try {
    await web.end();
    await web.start({ JOURNAL_DIR: disk.folder });
    note(`${web.name}: writes to a disk of ${DISK_BYTES[kind]} bytes`);
    await work(disk, web);
    await eventually(
      () => lookAtJournals(service),
      ({ pending, open }) => pending === 0 && open === 0,
      RELAYED_MS,
    );
    await web.end();
    await web.start();
    note(`${web.name}: writes to its usual disk`);
  } finally {
    if (web.running) await web.kill();
    disk.remove();
  }
}

/** Send single requests until the answers are as wanted. Returns what was answered to the last ones. */
async function until(scene: Scene, what: string, right: (watch: Watch) => boolean): Promise<Watch> {
  scene.note(`sending until ${what}`);
  const watch = await eventually(
    async () => {
      const seen = scene.driver.watch();
      await Promise.all(scene.plan(['apply'], 'single', BURST, 1).map((each) => scene.driver.ship(each)));
      seen.close();
      return seen;
    },
    right,
    ANSWERS_MS,
  ).catch((error: unknown) => {
    throw new Error(`It never came that ${what}.`, { cause: error });
  });
  scene.report(what, watch.toString());
  return watch;
}

const allRefused = (watch: Watch) => watch.count(503) === watch.total;
const allAccepted = (watch: Watch) => watch.count(202) === watch.total;

/** Is a disk of this kind to be had here? Undefined when it is; the reason when not. */
function lacks(kind: DiskKind) {
  return (folder: string): string | undefined => {
    const disk: SmallDisk | NoDisk = mountSmallDisk(kind, join(folder, `try-${kind}`), DISK_BYTES[kind]);
    if ('reason' in disk) return disk.reason;
    disk.remove();
    return undefined;
  };
}

export const DISK_FAULTS: readonly Fault[] = [
  {
    name: 'journal-disk-full',
    how: "another file takes the journal's disk; then, Redis killed, the journal itself fills it",
    holds: '503 with Retry-After, never a 202 that is lost; 202 again when there is room; all of it is relayed',
    doses: { unit: 'times', short: [1], long: [3] },
    load: { rate: 0, webs: [0], retries: 0 },
    lacks: lacks('memory'),
    run: (scene, times) =>
      onSmallDisk(scene, 'memory', async (disk) => {
        for (let i = 0; i < times; i++) {
          await until(scene, 'jobs are accepted', allAccepted);
          disk.fill(0);
          await until(scene, 'all are refused, for another file has taken the disk', allRefused);
          disk.free();
          await until(scene, 'jobs are accepted again', allAccepted);
          await scene.service.redis.kill();
          disk.fill(scene.random.whole(20_000, 200_000));
          await until(scene, 'all are refused, for the journal has filled the disk', allRefused);
          disk.free();
          await until(scene, 'jobs are accepted with Redis away', allAccepted);
          disk.fill(0);
          await scene.service.redis.restart();
          scene.note('Redis: back, the disk still full');
          await eventually(
            () => lookAtJournals(scene.service),
            ({ pending }) => pending === 0,
            RELAYED_MS,
          );
          await scene.redis.flushall();
          scene.note('Redis: FLUSHALL, the disk still full');
          await eventually(
            () => lookAtJournals(scene.service),
            ({ pending, open }) => pending === 0 && open === 0,
            RELAYED_MS,
          );
          disk.free();
          await until(scene, 'jobs are accepted with Redis back', allAccepted);
        }
      }),
  },
  {
    name: 'journal-disk-read-only',
    how: 'the kernel gives the disk up under the open journal: every write and sync fails; later it is mounted anew',
    holds: '503 with Retry-After; what was accepted before is relayed',
    doses: { unit: 'times', short: [1], long: [3] },
    load: { rate: 0, webs: [0], retries: 0 },
    lacks: lacks('file'),
    run: (scene, times) =>
      onSmallDisk(scene, 'file', async (disk, web) => {
        for (let i = 0; i < times; i++) {
          await until(scene, 'jobs are accepted', allAccepted);
          await scene.service.redis.kill();
          await until(scene, 'jobs are accepted with Redis away', allAccepted);
          disk.breakDown();
          await until(scene, 'all are refused, for the disk is read-only', allRefused);
          await web.kill();
          disk.repair();
          await scene.service.redis.restart();
          await web.start({ JOURNAL_DIR: disk.folder });
          scene.note(`${web.name}: started on the mended disk`);
          await until(scene, 'jobs are accepted again', allAccepted);
        }
      }),
  },
];
