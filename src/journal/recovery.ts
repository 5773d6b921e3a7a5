/**
 * Reading a journal that an earlier process has left.
 *
 * Promises: a torn end (a write that was cut short, never answered for) is cut off; damage with whole records behind it
 * is copied to `quarantine/` beside the folder, logged, and passed over; nothing whole is lost. Everything read once; files stay as they are.
 */

import { mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { hasCode } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { DRAFT_ENDING, writeWhole } from '../whole-file.ts';
import { scanRecords } from './record.ts';
import { type Seal, unsealed } from './seal.ts';
import { Segment } from './segment.ts';

export interface Recovered {
  readonly segments: Segment[];
  /** The number after the last entry. */
  readonly end: number;
  /** Every entry below it was handed over. */
  readonly handedEnd: number;
  /** What the last owner wanted to be remembered; empty when nothing. */
  readonly memo: string;
}

const FILE = /^(\d{16})[.]log$/;

/** Read every file of a journal. Throws `BootError` when it is encrypted and the key is missing or another. */
export async function recover(folder: string, seal: Seal | undefined, logger: Logger): Promise<Recovered> {
  const segments: Segment[] = [];
  const names = await readdir(folder);
  await removeRemains(folder, names);
  for (const name of names.filter((each) => FILE.test(each)).sort()) {
    const segment = new Segment(join(folder, name), Number(FILE.exec(name)?.[1]));
    const bytes = await readFile(segment.path);
    const quarantined: Quarantined[] = [];
    const whole = scanRecords(bytes, 0, {
      record: (place, body) => {
        // A wrong key must be told before anything is done.
        unsealed(seal, place.sealed, body);
        segment.wrote(place);
      },
      damage: (offset, damaged) => void quarantined.push({ name, offset, bytes: Buffer.from(damaged) }),
    });
    if (whole < bytes.length) {
      logger.warn({ file: name, bytes: bytes.length - whole }, 'cut the torn end of a journal file');
      await truncate(segment.path, whole);
    }
    await putAside(folder, quarantined, logger);
    if (segment.end === segment.first) await removeSegment(segment);
    else segments.push(segment);
    segment.restore(await readOrNothing(bitsPath(segment)));
  }
  const progress = Number((await readOrNothing(join(folder, PROGRESS))).toString('latin1'));
  const handedEnd = Number.isSafeInteger(progress) && progress > 0 ? progress : 1;
  const memo = (await readOrNothing(join(folder, MEMO))).toString('utf8');
  return { segments, end: Math.max(segments.at(-1)?.end ?? 1, handedEnd), handedEnd, memo };
}

/** Remove what a process that was killed has left half done: drafts, and notes about files that are gone. */
async function removeRemains(folder: string, names: readonly string[]): Promise<void> {
  const remains = names.filter((name) => {
    const noted = /^(\d{16}[.]log)[.]settled$/.exec(name)?.[1];
    return name.endsWith(DRAFT_ENDING) || (noted !== undefined && !names.includes(noted));
  });
  for (const name of remains) await rm(join(folder, name), { force: true });
}

/** Write down how far the handing over is, and which entries are settled. Each file is whole, old or new. */
export async function writeNotes(
  folder: string,
  segments: readonly Segment[],
  { handedEnd, memo }: { handedEnd?: number | undefined; memo?: string | undefined },
): Promise<void> {
  if (memo !== undefined) await replace(join(folder, MEMO), Buffer.from(memo));
  for (const segment of segments) if (segment.changed) await replace(bitsPath(segment), segment.bits());
  if (handedEnd !== undefined) await replace(join(folder, PROGRESS), Buffer.from(String(handedEnd), 'latin1'));
}

/** Remove a file of the journal and its notes. */
export async function removeSegment(segment: Segment): Promise<void> {
  await rm(segment.path, { force: true });
  await rm(bitsPath(segment), { force: true });
}

/** File that holds the number below which everything was handed over. */
const PROGRESS = 'progress';
/** File for what the owner wants to be remembered. */
const MEMO = 'memo';

function bitsPath({ path }: Segment): string {
  return `${path}.settled`;
}

/** Notes are written often; without them entries are looked at again, and no harm is done. */
function replace(path: string, bytes: Uint8Array): Promise<void> {
  return writeWhole(path, bytes, { durable: false });
}

async function readOrNothing(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return Buffer.alloc(0);
    throw error;
  }
}

interface Quarantined {
  readonly name: string;
  readonly offset: number;
  readonly bytes: Buffer;
}

async function putAside(folder: string, pieces: readonly Quarantined[], logger: Logger): Promise<void> {
  for (const { name, offset, bytes } of pieces) {
    const aside = join(dirname(folder), 'quarantine');
    await mkdir(aside, { recursive: true, mode: 0o700 });
    const path = join(aside, `${basename(folder)}-${basename(name, '.log')}-${offset}.bin`);
    await writeFile(path, bytes, { mode: 0o600 });
    logger.error({ path, bytes: bytes.length }, 'a journal file is damaged; the damaged bytes were put aside');
  }
}
