/** Where and with what a run was made: what any figure is worth nothing without. */

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findPostgres } from '../../../src/local/postgres-programs.ts';
import { redisProgram } from '../../support/stores.ts';
import type { Bench } from './bench.ts';
import { ROOT } from './build.ts';

const run = promisify(execFile);

const PACKAGES = ['bullmq', 'ioredis', 'express', 'zod', 'pg'];

export interface Machine {
  readonly at: string;
  readonly command: string;
  readonly machine: string;
  readonly programs: string;
  readonly packages: string;
  readonly peers: string;
  readonly load: string;
}

/** Describe it. */
export async function describeMachine({ build, wrk }: Bench): Promise<Machine> {
  const redis = await firstLine(await redisProgram(), ['--version']);
  const { postgres } = await findPostgres(build.folder, undefined);
  const database = await firstLine(postgres, ['--version']);
  const generator = wrk === undefined ? 'own client' : await firstLine(wrk, ['--version']);
  const [first] = cpus();
  return {
    at: new Date().toISOString().slice(0, 16).replace('T', ' '),
    command: ['npm run bench', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(' '),
    machine: `${cpus().length} cores (${first?.model.trim() ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GB, ${process.platform} ${release()}`,
    programs: [
      `Node ${process.versions.node}`,
      `Redis ${/v=(\S+)/.exec(redis)?.[1] ?? redis}`,
      `PostgreSQL ${/\d[\d.]*/.exec(database)?.[0] ?? database}`,
      generator.replace(/ \[.*/, ''),
    ].join(', '),
    packages: PACKAGES.map((name) => `${name} ${versionIn(join(ROOT, 'node_modules', name))}`).join(', '),
    peers: build.withoutPeers ?? peerVersions(build.folder),
    load: `load average ${loadavg()[0]?.toFixed(1)} at the start`,
  };
}

function peerVersions(folder: string): string {
  const manifest = JSON.parse(readFileSync(join(ROOT, 'test/bench/peers/package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  const installed = join(folder, 'test/bench/peers/node_modules');
  const names = Object.keys(manifest.dependencies);
  return `${names.map((name) => `${name} ${versionIn(join(installed, name))}`).join(', ')} (the newest that run on Node 20)`;
}

function versionIn(folder: string): string {
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
  return version;
}

/** The first line that a program prints, wherever and with whatever exit code (wrk's version comes with 1). */
async function firstLine(program: string, args: readonly string[]): Promise<string> {
  const printed = await run(program, args).catch((error: unknown) => error as { stdout?: string; stderr?: string });
  return `${printed.stdout ?? ''}${printed.stderr ?? ''}`.split('\n')[0] ?? '';
}
