import { mkdir, readdir, rename, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Claim } from '../../../src/journal/claim.ts';
import { identify } from '../../../src/local/processes.ts';
import { journalFolder } from '../../support/journal-folder.ts';

/** Identities in which this process, and no other, has ended and begun again. */
const reborn = { identify: (pid: number) => (pid === process.pid ? { mark: 'a later life' } : undefined) };
const now = { identify };

it('gives two journals of living processes two folders', async () => {
  const directory = await journalFolder();
  const [first, second] = [
    await Claim.make({ directory, identities: now }),
    await Claim.make({ directory, identities: now }),
  ];
  expect(first.folder).not.toBe(second.folder);
  expect((await stat(first.folder)).mode & 0o777).toBe(0o700);
});

it('takes over the folder of a process that has ended, with the same name at its end', async () => {
  const directory = await journalFolder();
  const left = await Claim.make({ directory, identities: now });
  const taken = await Claim.make({ directory, identities: reborn });
  expect(await readdir(directory)).toHaveLength(1);
  expect(taken.folder.split('.').at(-1)).toBe(left.folder.split('.').at(-1));
});

it('lets one of many take an orphan', async () => {
  const directory = await journalFolder();
  await Claim.make({ directory, identities: now });
  const claims = await Promise.all(Array.from({ length: 10 }, () => Claim.make({ directory, identities: reborn })));
  expect(new Set(claims.map(({ folder }) => folder)).size).toBe(10);
  expect(await readdir(directory)).toHaveLength(10);
});

it('takes a folder of another machine only when it has shown no life for a minute', async () => {
  const directory = await journalFolder();
  const other = join(directory, 'aaaaaaaaaaaa.77.bbbbbbbbbbbb.cccccccc');
  await mkdir(other);
  const claim = await Claim.make({ directory, identities: now });
  expect(await claim.takeOrphan()).toBeUndefined();
  const old = Date.now() / 1000 - 61;
  await utimes(other, old, old);
  expect(await claim.takeOrphan()).toMatch(/cccccccc$/);
});

it('finds out that its folder was taken while it stood still', async () => {
  const directory = await journalFolder();
  let ms = Date.now();
  const claim = await Claim.make({ directory, identities: now, clock: () => ms });
  await claim.stillOurs();
  await rename(claim.folder, join(directory, 'another-name'));
  await claim.stillOurs();
  ms += 21_000;
  await expect(claim.stillOurs()).rejects.toMatchObject({ code: 'journal-unwritable' });
});

it('removes an empty folder when it goes, and leaves another for whoever comes next', async () => {
  const directory = await journalFolder();
  const empty = await Claim.make({ directory, identities: now });
  const full = await Claim.make({ directory, identities: now });
  await empty.release(true);
  await full.release(false);
  const next = await Claim.make({ directory, identities: now });
  expect(next.folder.split('.').at(-1)).toBe(full.folder.split('.').at(-1));
  expect(await readdir(directory)).toHaveLength(1);
});
