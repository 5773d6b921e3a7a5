import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Seal } from '../../../src/journal/seal.ts';
import { Deadline } from '../../../src/lifecycle.ts';
import { entry, journalFolder, openJournal, readAll, write } from '../../support/journal-folder.ts';

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);

describe('the journal', () => {
  it('gives back what was written, every field of it, in order', async () => {
    const journal = await openJournal(await journalFolder());
    const entries = range(0, 300).map((n) => entry(n));
    const numbers = await write(journal, entries);
    expect(numbers).toEqual(range(1, 301));
    expect((await readAll(journal)).map((read) => read.entry)).toEqual(entries);
  });

  it('gives back entries that are not on disk yet', async () => {
    const journal = await openJournal(await journalFolder());
    await write(journal, [entry(1)]);
    journal.add(entry(2));
    expect((await readAll(journal)).map((read) => read.entry)).toEqual([entry(1), entry(2)]);
  });

  it('has the same entries after it was opened anew, and goes on counting', async () => {
    const folder = await journalFolder();
    const before = await openJournal(folder);
    await write(before, [entry(1), entry(2)]);
    await before.stop(Deadline.in(5000));
    const after = await openJournal(folder);
    expect(await write(after, [entry(3)])).toEqual([3]);
    expect((await readAll(after)).map(({ number }) => number)).toEqual([1, 2, 3]);
  });

  it('removes what a process that was killed has left half done', async () => {
    const folder = await journalFolder();
    const before = await openJournal(folder);
    await write(before, [entry(1), entry(2)]);
    await before.stop(Deadline.in(5000));
    const remains = ['progress.new', 'memo.new', '0000000000000009.log.settled', '0000000000000001.log.settled.new'];
    for (const name of remains) await writeFile(join(folder, name), 'x');
    const after = await openJournal(folder);
    expect((await readAll(after)).map(({ number }) => number)).toEqual([1, 2]);
    expect((await readdir(folder)).filter((name) => remains.includes(name))).toEqual([]);
  });

  it('shares one write among entries that come together', async () => {
    const journal = await openJournal(await journalFolder());
    const groups = range(0, 50).map((n) => journal.add(entry(n)).group);
    expect(new Set(groups).size).toBe(1);
    await groups[0]?.synced;
  });

  it('remembers what was handed over and what is settled', async () => {
    const folder = await journalFolder();
    const before = await openJournal(folder);
    await write(
      before,
      range(1, 11).map((n) => entry(n)),
    );
    before.handed(8);
    before.settle([2, 3, 5]);
    await before.stop(Deadline.in(5000));
    const after = await openJournal(folder);
    expect(after.handedEnd).toBe(8);
    expect(after.open).toBe(7);
    expect((await readAll(after)).map(({ number }) => number)).toEqual([1, 4, 6, 7, 8, 9, 10]);
  });

  it('drops files whose entries are all settled, and never a number twice', async () => {
    const folder = await journalFolder();
    const before = await openJournal(folder, { segmentBytes: 1000 });
    for (const n of range(1, 21)) await write(before, [entry(n)]);
    before.handed(21);
    before.settle(range(1, 21));
    await before.dropFinished();
    expect(before.bytes).toBeLessThan(1500);
    await before.stop(Deadline.in(5000));
    const after = await openJournal(folder);
    expect(await write(after, [entry(21)])).toEqual([21]);
    expect((await readdir(folder)).filter((name) => name.endsWith('.log'))).toHaveLength(1);
  });

  it('never passes over an entry that reaches the disk while others are read', async () => {
    const journal = await openJournal(await journalFolder());
    for (let round = 0; round < 60; round++) {
      const [settled = 0] = await write(journal, [entry(2 * round)]);
      journal.settle([settled]);
      const reading = journal.read(settled);
      const { number, group } = journal.add(entry(2 * round + 1));
      const early = await reading;
      await group.synced;
      const found = [...early.entries, ...(await journal.read(early.next)).entries].map((each) => each.number);
      expect(found, `round ${round}`).toContain(number);
      journal.settle([number]);
    }
  });

  it('has room again when all is settled, however small its limit', async () => {
    const journal = await openJournal(await journalFolder(), { mostBytes: 4000 });
    let written = 0;
    const fill = async () => {
      for (;;) await write(journal, [entry(++written)]);
    };
    await expect(fill()).rejects.toMatchObject({ code: 'journal-full' });
    journal.handed(journal.end);
    journal.settle(range(1, journal.end));
    await journal.dropFinished();
    await expect(write(journal, [entry(1)])).resolves.toHaveLength(1);
  });

  it('keeps a file for what was not handed over, even when all of it is settled later', async () => {
    const journal = await openJournal(await journalFolder(), { segmentBytes: 100 });
    await write(journal, [entry(1)]);
    await write(journal, [entry(2)]);
    await journal.dropFinished();
    expect((await readAll(journal)).map(({ number }) => number)).toEqual([1, 2]);
  });

  it('rewrites a file in which few entries are open', async () => {
    const folder = await journalFolder();
    const journal = await openJournal(folder, { segmentBytes: 300_000 });
    const many = range(1, 2001).map((n) => entry(n, { data: JSON.stringify({ n, pad: 'x'.repeat(200) }) }));
    for (const at of range(0, 20)) await write(journal, many.slice(at * 100, at * 100 + 100));
    await write(journal, [entry(2001)]);
    const before = journal.bytes;
    journal.handed(2002);
    journal.settle(range(1, 2001).filter((number) => number % 100 !== 0));
    await journal.compact();
    await journal.dropFinished();
    expect(journal.bytes).toBeLessThan(before / 3);
    const left = await readAll(journal);
    expect(left.map((read) => read.entry.id).sort()).toEqual(
      [...range(1, 21).map((n) => entry(n * 100).id), entry(2001).id].sort(),
    );
    expect(left.filter(({ handed }) => handed).length).toBeGreaterThan(0);
  });

  it('refuses beyond its limit and accepts again below it', async () => {
    const journal = await openJournal(await journalFolder(), { mostBytes: 2000, segmentBytes: 500 });
    let written = 0;
    const fill = async () => {
      for (;;) await write(journal, [entry(++written)]);
    };
    await expect(fill()).rejects.toMatchObject({ code: 'journal-full', status: 503 });
    journal.handed(journal.end);
    journal.settle(range(1, written));
    await journal.dropFinished();
    await expect(write(journal, [entry(written)])).resolves.toHaveLength(1);
  });

  it('is for its owner alone', async () => {
    const folder = await journalFolder();
    const journal = await openJournal(folder);
    await write(journal, [entry(1)]);
    journal.handed(2);
    journal.settle([1]);
    await journal.note();
    for (const name of await readdir(folder)) {
      expect((await stat(join(folder, name))).mode & 0o777, name).toBe(0o600);
    }
  });

  it('answers for nothing once its folder is another’s', async () => {
    const lost = new Error('taken');
    const journal = await openJournal(await journalFolder(), { stillOurs: () => Promise.reject(lost) });
    await expect(write(journal, [entry(1)])).rejects.toMatchObject({ code: 'journal-unwritable' });
  });

  it('accepts nothing once it is stopped', async () => {
    const journal = await openJournal(await journalFolder());
    await journal.stop(Deadline.in(5000));
    expect(() => journal.add(entry(1))).toThrow(expect.objectContaining({ code: 'shutting-down' }));
  });
});

describe('an encrypted journal', () => {
  const seal = new Seal(Buffer.alloc(32, 7));

  it('gives back what was written, and shows nothing of it on disk', async () => {
    const folder = await journalFolder();
    const before = await openJournal(folder, { seal });
    await write(before, [entry(1), entry(2)]);
    await before.stop(Deadline.in(5000));
    const [file = ''] = (await readdir(folder)).filter((name) => name.endsWith('.log'));
    const bytes = await readFile(join(folder, file));
    expect(bytes.includes('media')).toBe(false);
    const after = await openJournal(folder, { seal });
    expect((await readAll(after)).map((read) => read.entry)).toEqual([entry(1), entry(2)]);
  });

  it.each([
    ['another key', new Seal(Buffer.alloc(32, 8))],
    ['no key', undefined],
  ])('does not open with %s, and says so, and loses nothing', async (_name, other) => {
    const folder = await journalFolder();
    const before = await openJournal(folder, { seal });
    await write(before, [entry(1)]);
    await before.stop(Deadline.in(5000));
    await expect(openJournal(folder, { seal: other })).rejects.toThrow(/JOURNAL_KEY/);
    const after = await openJournal(folder, { seal });
    expect(await readAll(after)).toHaveLength(1);
  });
});
