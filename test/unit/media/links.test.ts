import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KeptKey } from '../../../src/access/kept-key.ts';
import { type LinkParts, MediaLinks } from '../../../src/media/links.ts';

const ID = 'a'.repeat(64);
const KEY = 'k'.repeat(32);

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-links-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const keptIn = (path: string) => new KeptKey({ path: join(path, 'link-key'), variable: 'MEDIA_DIR' });

const partsOf = (link: string): LinkParts => {
  const url = new URL(link, 'http://a');
  const [, , tenant = '', id = ''] = url.pathname.split('/');
  const expires = Number(url.searchParams.get('expires'));
  return { tenant, id, expires, signature: url.searchParams.get('signature') ?? '' };
};

describe('links to files', () => {
  it('are good for their time and no second longer', async () => {
    let nowMs = 1_000_000_000_000;
    const links = new MediaLinks({ key: KEY, kept: keptIn(folder), minutes: 10, clock: () => nowMs });
    const { link, expiresAt } = await links.make('acme', ID);
    expect(expiresAt.getTime()).toBe(nowMs + 600_000);
    expect(await links.check(partsOf(link))).toBe(600);
    nowMs += 599_000;
    expect(await links.check(partsOf(link))).toBe(1);
    nowMs += 1000;
    await expect(links.check(partsOf(link))).rejects.toMatchObject({
      code: 'link-refused',
      message: 'This link has expired.',
    });
  });

  it.each([
    ['tenant', { tenant: 'acm' }],
    ['file', { id: 'b'.repeat(64) }],
    ['expiry', { expires: 9_999_999_999 }],
    ['signature', { signature: 'A'.repeat(43) }],
    ['length of the signature', { signature: '' }],
    ['signature, to more than ASCII', { signature: 'é'.repeat(43) }],
  ])('are refused with another %s', async (_what, change) => {
    const links = new MediaLinks({ key: KEY, kept: keptIn(folder), minutes: 10 });
    const parts = partsOf((await links.make('acme', ID)).link);
    await expect(links.check({ ...parts, ...change })).rejects.toMatchObject({ code: 'link-refused' });
  });

  it('are refused under another key', async () => {
    const { link } = await new MediaLinks({ key: KEY, kept: keptIn(folder), minutes: 10 }).make('acme', ID);
    const other = new MediaLinks({ key: 'x'.repeat(32), kept: keptIn(folder), minutes: 10 });
    await expect(other.check(partsOf(link))).rejects.toMatchObject({ code: 'link-refused' });
  });

  it('have one key that nobody else may read, whoever of many comes first', async () => {
    const path = join(folder, 'new');
    const all = Array.from({ length: 8 }, () => new MediaLinks({ key: undefined, kept: keptIn(path), minutes: 10 }));
    const made = await Promise.all(all.map((links) => links.make('acme', ID)));
    for (const links of all) for (const { link } of made) expect(await links.check(partsOf(link))).toBeGreaterThan(0);
    expect(await readdir(path)).toEqual(['link-key']);
    expect((await stat(join(path, 'link-key'))).mode & 0o777).toBe(0o600);
    expect(await readFile(join(path, 'link-key'), 'utf8')).toMatch(/^[0-9a-f]{64}$/);
  });

  it('are not made with a key file that was cut off, and are made once it is mended', async () => {
    const links = new MediaLinks({ key: undefined, kept: keptIn(folder), minutes: 10 });
    await writeFile(join(folder, 'link-key'), 'short');
    await expect(links.make('acme', ID)).rejects.toMatchObject({ code: 'store-unavailable' });
    await rm(join(folder, 'link-key'));
    await chmod(folder, 0o700);
    expect((await links.make('acme', ID)).link).toContain('/media/acme/');
  });
});
