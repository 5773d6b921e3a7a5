/** The key behind links in mails. */

import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { KeptKey } from '../../../src/access/kept-key.ts';
import { LinkKeys } from '../../../src/access/link-keys.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-keys-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const signed = async (keys: LinkKeys) => (await keys.sign('unsubscribe', 'a')).toString('hex');
const keptIn = (folder: string) => new KeptKey({ path: join(folder, 'mail-secret'), variable: 'DATA_DIR' });
const keptKeys = (folder: string) => new LinkKeys({ secret: undefined, kept: keptIn(folder), production: false });
const withSecret = (secret: string) => new LinkKeys({ secret, kept: keptIn('/nowhere'), production: true });

it('signs the same text the same, and nothing else so', async () => {
  const keys = withSecret('s'.repeat(32));
  expect(await signed(keys)).toBe(await signed(withSecret('s'.repeat(32))));
  expect(await signed(keys)).not.toBe(await signed(withSecret('t'.repeat(32))));
  expect(await signed(keys)).not.toBe((await keys.sign('password-reset', 'a')).toString('hex'));
  expect(await signed(keys)).toHaveLength(64);
});

it('makes one key for all processes of a machine, which only its owner can read', async () => {
  const folder = join(root, 'one');
  const all = Array.from({ length: 8 }, () => keptKeys(folder));
  const [first, ...others] = await Promise.all(all.map(signed));
  expect(others.every((each) => each === first)).toBe(true);
  expect(await signed(keptKeys(folder))).toBe(first);
  expect(await readdir(folder)).toEqual(['mail-secret']);
  expect((await stat(join(folder, 'mail-secret'))).mode & 0o077).toBe(0);
});

it('has no key of its own in production', async () => {
  const keys = new LinkKeys({ secret: undefined, kept: keptIn(join(root, 'none')), production: true });
  await expect(signed(keys)).rejects.toMatchObject({ code: 'not-configured' });
  expect(await readdir(root)).not.toContain('none');
});
