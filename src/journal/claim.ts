/**
 * Who owns a journal: one folder for each web process, named after the process.
 *
 *   <directory>/<machine>.<pid>.<begin>.<random>/
 *
 * Promises: two processes never write one journal. A folder changes hands by being renamed, which one process alone can
 * do; a process whose folder was taken finds out before it answers for anything that it wrote there. A folder is an orphan
 * when its process of this machine has ended, or, of another machine, when it has shown no life for a minute. Folders are
 * for their owner alone (0700).
 */

import { createHash, randomBytes } from 'node:crypto';
import { chmod, mkdir, readdir, readlink, rename, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, join } from 'node:path';
import { AppError, hasCode } from '../errors.ts';
import { syncFolder } from '../whole-file.ts';

/** How a process of this machine is told from a later one with its number. */
export interface Identities {
  identify(pid: number): { readonly mark: string } | undefined;
}

export interface ClaimOptions {
  /** JOURNAL_DIR. */
  readonly directory: string;
  readonly identities: Identities;
  readonly clock?: () => number;
}

/** Milliseconds without a sign of life after which another machine's folder is an orphan. */
const LIFELESS_MS = 60_000;
/** Milliseconds after our last sign of life from which we make sure that the folder is still ours. */
const DOUBTFUL_MS = 20_000;

const NAME = /^([0-9a-f]{12})[.](\d+)[.]([0-9a-f]{12})[.]([0-9a-f]{8})$/;

export class Claim {
  readonly folder: string;
  readonly #directory: string;
  readonly #identities: Identities;
  readonly #clock: () => number;
  #shownMs: number;

  private constructor(folder: string, { directory, identities, clock = Date.now }: ClaimOptions) {
    this.folder = folder;
    this.#directory = directory;
    this.#identities = identities;
    this.#clock = clock;
    this.#shownMs = clock();
  }

  /** Take over an orphan of `directory`, or make a new folder there. */
  static async make(options: ClaimOptions): Promise<Claim> {
    await mkdir(options.directory, { recursive: true, mode: 0o700 });
    const orphan = await takeOrphan(options);
    const folder = orphan ?? join(options.directory, await ownName(options.identities));
    if (orphan === undefined) await mkdir(folder, { mode: 0o700 });
    await chmod(folder, 0o700);
    await syncFolder(options.directory);
    return new Claim(folder, options);
  }

  /** Take over another orphan, to be emptied into our own journal; undefined when there is none. */
  takeOrphan(): Promise<string | undefined> {
    return takeOrphan({ directory: this.#directory, identities: this.#identities, clock: this.#clock });
  }

  /** Is the folder ours no more? It was taken while this process stood still, or removed. */
  async isLost(): Promise<boolean> {
    return stat(this.folder).then(() => false, isMissing);
  }

  /** Show that we live. */
  async show(): Promise<void> {
    const now = this.#clock();
    try {
      await utimes(this.folder, now / 1000, now / 1000);
      this.#shownMs = now;
    } catch (error) {
      // In doubt from now on: the next write asks.
      this.#shownMs = 0;
      throw error;
    }
  }

  /** Throws `journal-unwritable` when the folder has been taken: what was just written there is not ours to answer for. */
  readonly stillOurs = async (): Promise<void> => {
    if (this.#clock() - this.#shownMs < DOUBTFUL_MS) return;
    try {
      await this.show();
    } catch (error) {
      throw new AppError('journal-unwritable', 'This process stood still, and another one has taken its journal.', {
        cause: error,
        retryAfterSeconds: 2,
      });
    }
  };

  /** Give the folder up: removed when nothing in it is needed any more, else free for whoever comes next. */
  async release(empty: boolean): Promise<void> {
    if (empty) return rm(this.folder, { recursive: true, force: true });
    const random = NAME.exec(basename(this.folder))?.[4] ?? '';
    await rename(this.folder, join(this.#directory, `${await machineId()}.0.${shortHash('nobody')}.${random}`));
  }
}

/** A process number means something within one machine, and there within one namespace: containers have their own. */
async function machineId(): Promise<string> {
  const namespace = await readlink('/proc/self/ns/pid').catch(() => '');
  return shortHash(`${hostname()} ${namespace}`);
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

/** `random` stays with a folder whoever owns it. */
async function ownName(identities: Identities, random = randomBytes(4).toString('hex')): Promise<string> {
  const mark = identities.identify(process.pid)?.mark ?? '';
  return `${await machineId()}.${process.pid}.${shortHash(mark)}.${random}`;
}

async function takeOrphan(options: ClaimOptions): Promise<string | undefined> {
  const { directory, identities } = options;
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    if (!NAME.test(name) || !(await isOrphan(path, name, options))) continue;
    const taken = join(directory, await ownName(identities, NAME.exec(name)?.[4]));
    try {
      // Fresh before it is ours: for other machines its age is all that there is to see.
      const now = new Date();
      await utimes(path, now, now);
      await rename(path, taken);
      return taken;
    } catch (error) {
      // Another process was quicker.
      if (!isMissing(error)) throw error;
    }
  }
  return undefined;
}

async function isOrphan(path: string, name: string, { identities, clock = Date.now }: ClaimOptions): Promise<boolean> {
  const [, machine = '', pid = '', begin = ''] = NAME.exec(name) ?? [];
  if (machine === (await machineId())) return shortHash(identities.identify(Number(pid))?.mark ?? '') !== begin;
  try {
    return clock() - (await stat(path)).mtimeMs > LIFELESS_MS;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return hasCode(error, 'ENOENT');
}
