import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Deadline } from '../../../src/lifecycle.ts';
import { entry, journalFolder, openJournal, readAll, write } from '../../support/journal-folder.ts';

/** A closed journal with `groups` groups of three entries each; where its one file lies, and where each record begins. */
async function written(groups: number): Promise<{ folder: string; path: string; bytes: Buffer; starts: number[] }> {
  const folder = await journalFolder();
  const journal = await openJournal(folder);
  for (let group = 0; group < groups; group++) {
    await write(
      journal,
      [0, 1, 2].map((index) => entry(group * 3 + index)),
    );
  }
  await journal.stop(Deadline.in(5000));
  const [name = ''] = (await readdir(folder)).filter((each) => each.endsWith('.log'));
  const path = join(folder, name);
  const bytes = await readFile(path);
  const starts: number[] = [];
  for (let at = bytes.indexOf('MRJ1'); at >= 0; at = bytes.indexOf('MRJ1', at + 1)) starts.push(at);
  return { folder, path, bytes, starts };
}

/** Groups that can be read, by their place. */
async function groupsIn(folder: string): Promise<number[]> {
  const entries = await readAll(await openJournal(folder));
  const groups = entries.map(({ entry: { requestedAt } }) => Math.floor((requestedAt - 1_700_000_000_000) / 3));
  expect(entries.map(({ entry: read }) => read)).toEqual(
    entries.map(({ entry: read }) => entry(read.requestedAt - 1_700_000_000_000)),
  );
  return [...new Set(groups)];
}

it('has every whole group whatever the length at which the end was torn', async () => {
  const { folder, path, bytes, starts } = await written(4);
  for (let length = 0; length <= bytes.length; length += 7) {
    await writeFile(path, bytes.subarray(0, length));
    const whole = starts.filter((_start, index) => (starts[index + 1] ?? bytes.length) <= length).length;
    expect(await groupsIn(folder), `torn at ${length}`).toEqual(Array.from({ length: whole }, (_, index) => index));
    if (whole === 0) await writeFile(path, '');
  }
});

it('passes over damage in the middle, keeps the damaged bytes, and loses no other group', async () => {
  const { folder, path, bytes, starts } = await written(5);
  const damaged = Buffer.from(bytes);
  damaged.fill(0, (starts[2] ?? 0) + 40, (starts[2] ?? 0) + 60);
  await writeFile(path, damaged);
  expect(await groupsIn(folder)).toEqual([0, 1, 3, 4]);
  const aside = join(folder, '..', 'quarantine');
  const kept = (await readdir(aside)).filter((name) => name.includes(folder.split('/').at(-1) ?? ''));
  expect(kept).toHaveLength(1);
  expect(await readFile(join(aside, kept[0] ?? ''))).toEqual(damaged.subarray(starts[2], starts[3]));
});

it('writes on after damage, and the next opening has both', async () => {
  const { folder, path, bytes, starts } = await written(3);
  const damaged = Buffer.from(bytes);
  damaged[(starts[1] ?? 0) + 30] = (damaged[(starts[1] ?? 0) + 30] ?? 0) ^ 0xff;
  await writeFile(path, damaged);
  const journal = await openJournal(folder);
  await write(journal, [entry(9), entry(10), entry(11)]);
  await journal.stop(Deadline.in(5000));
  expect(await groupsIn(folder)).toEqual([0, 2, 3]);
});

it('never fails to open, and has every group that no damage touched', async () => {
  const { folder, path, bytes, starts } = await written(6);
  const hit = fc.record({ at: fc.nat(bytes.length - 1), value: fc.nat(255), length: fc.integer({ min: 1, max: 200 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(hit, { minLength: 1, maxLength: 3 }), async (hits) => {
      const damaged = Buffer.from(bytes);
      for (const { at, value, length } of hits) damaged.fill(value, at, Math.min(at + length, bytes.length));
      await writeFile(path, damaged);
      const untouched = starts.flatMap((start, index) => {
        const end = starts[index + 1] ?? bytes.length;
        return damaged.subarray(start, end).equals(bytes.subarray(start, end)) ? [index] : [];
      });
      expect(await groupsIn(folder)).toEqual(untouched);
    }),
    { numRuns: 60 },
  );
});

it('counts what is left after damage, so that no file goes before its time', async () => {
  const { folder, path, bytes, starts } = await written(4);
  const before = await openJournal(folder);
  before.handed(13);
  before.settle([4, 5, 6, 10]);
  await before.stop(Deadline.in(5000));
  const damaged = Buffer.from(bytes);
  damaged.fill(0, (starts[1] ?? 0) + 40, (starts[1] ?? 0) + 60);
  await writeFile(path, damaged);
  const after = await openJournal(folder);
  expect((await readAll(after)).map(({ number }) => number)).toEqual([1, 2, 3, 7, 8, 9, 11, 12]);
  expect(after.open).toBe(8);
  after.settle([1, 2, 3, 7, 8, 9, 11]);
  await after.dropFinished();
  expect((await readAll(after)).map(({ number }) => number)).toEqual([12]);
});
