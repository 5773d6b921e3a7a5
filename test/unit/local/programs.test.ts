import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ensureProgram, MissingProgramError, REDIS_SERVER } from '../../../src/local/programs.ts';
import { testFolder } from './folder.ts';

afterEach(() => vi.unstubAllEnvs());

/** A folder with these executables, as the whole of PATH. */
function pathWith(...names: string[]): string {
  const folder = testFolder();
  for (const name of names) {
    writeFileSync(join(folder, name), '#!/bin/sh\n');
    chmodSync(join(folder, name), 0o755);
  }
  vi.stubEnv('PATH', folder);
  return folder;
}

const never = { install: 'never', say: () => undefined } as const;

describe('a program that npm cannot bring', () => {
  it('is taken from PATH, the first name first', async () => {
    const folder = pathWith('valkey-server', 'redis-server');
    expect(await ensureProgram(REDIS_SERVER, never)).toBe(join(folder, 'redis-server'));
  });

  it('may have another name', async () => {
    const folder = pathWith('valkey-server');
    expect(await ensureProgram(REDIS_SERVER, never)).toBe(join(folder, 'valkey-server'));
  });

  it('must be executable', async () => {
    const folder = pathWith('redis-server');
    chmodSync(join(folder, 'redis-server'), 0o644);
    await expect(ensureProgram(REDIS_SERVER, never)).rejects.toThrow(MissingProgramError);
  });

  it('is not installed when that is refused: one screen says how, for each system', async () => {
    pathWith();
    const said: string[] = [];
    const refusal = ensureProgram(REDIS_SERVER, { install: 'never', say: (line) => void said.push(line) });
    const screen = await refusal.catch((error: Error) => error.message);
    expect(said).toEqual([]);
    expect(screen).toContain('there is no redis-server or valkey-server on PATH');
    expect(screen).toContain('sudo apt-get update && sudo apt-get install -y redis-server');
    expect(screen).toContain('sudo dnf install -y redis');
    expect(screen).toContain('brew install redis');
    expect(screen).toContain('docker compose up');
    expect(String(screen).split('\n').length).toBeLessThan(24);
  });
});
