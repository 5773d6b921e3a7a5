/** Files that are there whole or not at all. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { draftWriter, linkFirst, moveInPlace, writeFirst, writeWhole } from '../../src/whole-file.ts';
import { testFolder } from './local/folder.ts';

const SOURCE = new URL('../../src/whole-file.ts', import.meta.url).href;
const LOADER = createRequire(import.meta.url).resolve('tsx');
const LENGTH = 4_000_000;
const KILLS = 6;

describe('a file that is written whole', () => {
  it('takes the place of the one before, for its owner alone, and leaves nothing else', async () => {
    const folder = testFolder();
    const path = join(folder, 'a.json');
    await writeWhole(path, 'first');
    await writeWhole(path, Buffer.from('second'), { durable: false });
    expect(readFileSync(path, 'utf8')).toBe('second');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(['a.json']);
  });

  it('is one of those that were written at the same time', async () => {
    const folder = testFolder();
    const path = join(folder, 'a');
    const texts = Array.from({ length: 20 }, (_, n) => String.fromCharCode(97 + n).repeat(100_000 + n));
    await Promise.all(texts.map((text) => writeWhole(path, text)));
    expect(texts).toContain(readFileSync(path, 'utf8'));
    expect(readdirSync(folder)).toEqual(['a']);
  });

  it('leaves nothing when it cannot have its name', async () => {
    const folder = testFolder();
    mkdirSync(join(folder, 'taken', 'by'), { recursive: true });
    await expect(writeWhole(join(folder, 'taken'), 'x')).rejects.toMatchObject({ code: expect.any(String) });
    await expect(writeWhole(join(folder, 'gone', 'a'), 'x')).rejects.toMatchObject({ code: 'ENOENT' });
    expect(readdirSync(folder)).toEqual(['taken']);
  });

  it('is whole whenever its writer is killed, and the draft tells whose it was', async () => {
    const folder = testFolder();
    const path = join(folder, 'a');
    await writeWhole(path, 'x'.repeat(LENGTH));
    const script = `
      import { writeWhole } from ${JSON.stringify(SOURCE)};
      console.log('up');
      for (let n = 0; ; n += 1) await writeWhole(${JSON.stringify(path)}, String(n % 10).repeat(${LENGTH}), { durable: false });`;
    const writers = new Set<number | undefined>();
    for (let kill = 0; kill < KILLS; kill += 1) {
      const args = ['--import', LOADER, '--input-type=module', '-e', script];
      const writer = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      onTestFinished(() => void writer.kill('SIGKILL'));
      const ended = once(writer, 'exit');
      await once(writer.stdout, 'data');
      // In the middle of a draft: one that is begun and not whole.
      await expect.poll(() => hasHalf(folder, writer.pid), { interval: 1, timeout: 20_000 }).toBe(true);
      writer.kill('SIGKILL');
      await ended;
      writers.add(writer.pid);
      const content = readFileSync(path, 'utf8');
      expect(content).toBe(content.charAt(0).repeat(LENGTH));
    }
    const drafts = readdirSync(folder).filter((name) => name !== 'a');
    for (const name of drafts) expect(writers).toContain(draftWriter(name));
  }, 60_000);
});

function hasHalf(folder: string, pid: number | undefined): boolean {
  const drafts = readdirSync(folder).filter((name) => draftWriter(name) === pid && pid !== undefined);
  return drafts.some((name) => {
    const size = statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? LENGTH;
    return size > 0 && size < LENGTH;
  });
}

describe('a file that is written first', () => {
  it('is that of one of many, and stays', async () => {
    const folder = testFolder();
    const path = join(folder, 'lock');
    const firsts = await Promise.all(Array.from({ length: 20 }, (_, n) => writeFirst(path, `${n}`)));
    expect(firsts.filter(Boolean)).toHaveLength(1);
    expect(readFileSync(path, 'utf8')).toBe(String(firsts.indexOf(true)));
    expect(await writeFirst(path, 'late')).toBe(false);
    expect(readdirSync(folder)).toEqual(['lock']);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('can be given another name that is free', async () => {
    const folder = testFolder();
    const [a, b] = [join(folder, 'a'), join(folder, 'b')];
    await writeWhole(a, 'a');
    expect(await linkFirst(a, b)).toBe(true);
    await writeWhole(a, 'c');
    expect(await linkFirst(a, b)).toBe(false);
    expect(readFileSync(b, 'utf8')).toBe('a');
    await moveInPlace(a, b);
    expect(readFileSync(b, 'utf8')).toBe('c');
    expect(readdirSync(folder)).toEqual(['b']);
  });
});

it('a draft is told by its name', () => {
  expect(draftWriter('state.json.4711.0123abcd.new')).toBe(4711);
  for (const name of ['state.json', 'state.json.new', 'state.json.4711', 'state.4711.xyz.new']) {
    expect(draftWriter(name)).toBeUndefined();
  }
});
