/**
 * A disk of a few megabytes, to fill up or to break: mounted for one fault, as root.
 *
 * Promises: `mountSmallDisk` says why when this machine does not let us; `remove` leaves no mount and no file behind.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../../src/errors.ts';

/** `memory`: tmpfs, quick to fill. `file`: ext4 in a file, which can be made to fail as a broken disk does. */
export type DiskKind = 'memory' | 'file';

/** The reason why there is no disk. */
export interface NoDisk {
  readonly reason: string;
}

const COMMAND_MS = 20_000;

function run(program: string, ...args: string[]): void {
  execFileSync(program, args, { stdio: 'pipe', timeout: COMMAND_MS });
}

/** Mount a disk of `bytes` in a new folder `at`. */
export function mountSmallDisk(kind: DiskKind, at: string, bytes: number): SmallDisk | NoDisk {
  if (process.platform !== 'linux') return { reason: `mounting is known for linux, not ${process.platform}` };
  if (process.getuid?.() !== 0) return { reason: 'only root may mount a disk' };
  mkdirSync(at, { recursive: true });
  const image = `${at}.image`;
  try {
    if (kind === 'memory') run('mount', '-t', 'tmpfs', '-o', `size=${bytes},mode=0700`, 'millrace-chaos', at);
    else {
      writeFileSync(image, '');
      truncateSync(image, bytes);
      run('mkfs.ext4', '-q', image);
      run('mount', '-o', 'loop', image, at);
    }
    return new SmallDisk(at, image);
  } catch (error) {
    rmSync(image, { force: true });
    return { reason: `this machine does not let root mount: ${messageOf(error)}` };
  }
}

export class SmallDisk {
  readonly folder: string;
  readonly #image: string;

  constructor(folder: string, image: string) {
    this.folder = folder;
    this.#image = image;
  }

  /** Leave no more than `bytes` free. */
  fill(bytes: number): void {
    const { bavail, bsize } = statfsSync(this.folder);
    writeFileSync(this.#balloon, Buffer.alloc(Math.max(0, bavail * bsize - bytes)));
  }

  /** Give back what `fill` has taken. */
  free(): void {
    rmSync(this.#balloon, { force: true });
  }

  /** From now on every write and every sync fails, as on a disk that the kernel has given up: ext4 only. */
  breakDown(): void {
    run('mount', '-o', 'remount,abort', this.folder);
  }

  /** Mount it anew: what was synced before it broke down is there. Nobody may have a file open on it. */
  repair(): void {
    run('umount', this.folder);
    run('mount', '-o', 'loop', this.#image, this.folder);
  }

  remove(): void {
    if (readFileSync('/proc/mounts', 'utf8').includes(` ${this.folder} `)) run('umount', '-l', this.folder);
    rmSync(this.folder, { recursive: true, force: true });
    if (existsSync(this.#image)) rmSync(this.#image);
  }

  get #balloon(): string {
    return join(this.folder, 'balloon');
  }
}
