import { existsSync, mkdirSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { postgresHome } from '../../../src/local/postgres-home.ts';
import { isOpenToAll } from '../../../src/local/postgres-user.ts';
import { testFolder } from './folder.ts';

/** An empty data folder, and a folder in place of /var/lib/millrace. */
function folders() {
  const folder = testFolder();
  const dataDir = join(folder, 'data');
  mkdirSync(dataDir, { mode: 0o700 });
  return { dataDir, homes: join(folder, 'homes') };
}

describe("PostgreSQL's folder, when we are not root,", () => {
  it('is inside the data folder', async () => {
    const { dataDir, homes } = folders();
    expect(await postgresHome(dataDir, { homes, outside: false })).toBe(join(dataDir, 'postgres'));
  });
});

describe("PostgreSQL's folder, as root,", () => {
  it('is outside of the data folder, where another user can enter it, and linked from there', async () => {
    const { dataDir, homes } = folders();
    const home = await postgresHome(dataDir, { homes, outside: true });
    expect(home).toMatch(new RegExp(`^${homes}/[0-9a-f]{16}$`));
    expect(statSync(home).mode & 0o777).toBe(0o711);
    expect(readlinkSync(join(dataDir, 'postgres'))).toBe(home);
  });

  it('is found again through the link, also after the project has moved', async () => {
    const { dataDir, homes } = folders();
    const home = await postgresHome(dataDir, { homes, outside: true });
    expect(await postgresHome(dataDir, { homes: join(homes, 'elsewhere'), outside: true })).toBe(home);
  });

  it('is a new one when the data folder was removed; the old one is set aside, once', async () => {
    const { dataDir, homes } = folders();
    for (const generation of ['first', 'second', 'third']) {
      const home = await postgresHome(dataDir, { homes, outside: true });
      expect(existsSync(join(home, 'generation'))).toBe(false);
      writeFileSync(join(home, 'generation'), generation);
      expect(existsSync(`${home}.previous`)).toBe(generation !== 'first');
      rmSync(dataDir, { recursive: true });
      mkdirSync(dataDir);
    }
  });

  it('stays where an earlier start without root has made it', async () => {
    const { dataDir, homes } = folders();
    mkdirSync(join(dataDir, 'postgres'));
    expect(await postgresHome(dataDir, { homes, outside: true })).toBe(join(dataDir, 'postgres'));
  });
});

describe('a folder', () => {
  it('is open to all only when every folder above it is', async () => {
    const closed = testFolder();
    const inside = join(closed, 'inside');
    mkdirSync(inside, { mode: 0o755 });
    expect(await isOpenToAll(inside)).toBe(false);
    expect(await isOpenToAll('/')).toBe(true);
  });
});
