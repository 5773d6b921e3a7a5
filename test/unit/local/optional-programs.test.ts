import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { OptionalPrograms, type OptionalProgramsOptions } from '../../../src/local/optional-programs.ts';
import { INSTALLING_FILE, Programs } from '../../../src/providers/programs.ts';
import { testFolder } from './folder.ts';

const CONFIG = { MILLRACE_INSTALL: 'auto', SPEECH_URL: 'http://127.0.0.1:9', SPEECH_OFFLINE: 'on' } as const;
const WORKER = { command: 'node dist/workers/main.js' };

let folder: string;
let said: string[];
let asked: string[];

beforeEach(() => {
  folder = testFolder();
  said = [];
  asked = [];
  vi.stubEnv('PATH', folder);
});
afterEach(() => vi.unstubAllEnvs());

/** On a machine whose package manager does as told: `brings` programs, or says why not. */
function optional(more: Partial<OptionalProgramsOptions> = {}, brings: string[] = [], why?: string): OptionalPrograms {
  const install: OptionalProgramsOptions['install'] = async ({ debian }) => {
    asked.push(debian);
    expect(existsSync(join(folder, INSTALLING_FILE))).toBe(true);
    for (const name of brings) writeFileSync(join(folder, name), '#!/bin/sh\n', { mode: 0o755 });
    return why;
  };
  const say = (line: string) => void said.push(line);
  return new OptionalPrograms({ config: CONFIG, plan: [WORKER], dataDir: folder, say, install, ...more });
}

describe('programs that one feature needs', () => {
  it('are installed in one go, and jobs may wait for them meanwhile', async () => {
    const programs = optional({}, ['ffmpeg', 'ffprobe']);
    const missing = await programs.look();
    expect(missing.map(({ name }) => name)).toEqual(['ffmpeg', 'ffprobe']);
    expect(await new Programs({ dataDir: folder }).installing()).toBe(true);
    await programs.install(missing);
    expect(asked).toEqual(['ffmpeg']);
    expect(said).toEqual(['Installed: ffmpeg, ffprobe.']);
    expect(await new Programs({ dataDir: folder }).installing()).toBe(false);
    expect(await programs.look()).toEqual([]);
  });

  it('that are the offline engine are wanted only where it serves', async () => {
    const config = { ...CONFIG, SPEECH_URL: undefined };
    const wanted = async (each: OptionalPrograms) => (await each.look()).map(({ name }) => name);
    expect(await wanted(optional({ config }))).toContain('pocketsphinx');
    expect(await wanted(optional({ config: { ...config, SPEECH_OFFLINE: 'off' } }))).not.toContain('pocketsphinx');
  });

  it.each([
    ['node dist/src/server.js', false],
    ['node dist/workers/main.js', true],
    ['node dist/workers/main.js cleanup media', true],
    ['node dist/workers/main.js learning', false],
    ['node worker.mjs', false],
  ])('are looked for when a process uses them: %s', async (command, used) => {
    expect((await optional({ plan: [{ command }] }).look()).length > 0).toBe(used);
  });

  it('are not installed when that is refused: one line each says how', async () => {
    const programs = optional({ config: { ...CONFIG, MILLRACE_INSTALL: 'never' } }, ['ffmpeg', 'ffprobe']);
    await programs.install(await programs.look());
    expect(asked).toEqual([]);
    expect(existsSync(join(folder, INSTALLING_FILE))).toBe(false);
    expect(said.length).toBe(2);
    expect(said[0]).toMatch(/^ffmpeg is missing here. Install it: apt-get install ffmpeg.*MILLRACE_INSTALL=never/);
  });

  it('that cannot be installed stay away, are said with the reason, and nobody waits for them', async () => {
    const programs = optional({}, [], 'Installing it needs root.\nMore that nobody reads.');
    await programs.install(await programs.look());
    expect(said[0]).toMatch(/apt-get install ffmpeg.*Installing it needs root[.]$/);
    expect(await new Programs({ dataDir: folder }).installing()).toBe(false);
  });
});
