/**
 * Load over HTTP: wrk where there is one, else the bench's own client. The same for every contender of a run.
 *
 * Promises: a request that is not answered with 2xx fails the slice, so that no refusal counts as throughput.
 */

import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ensureProgram } from '../../../src/local/programs.ts';
import type { ProgramSource } from '../../../src/providers/programs.ts';
import type { Actor } from './actor.ts';
import type { HttpClientCommands, Loaded, Target } from './actors/http-client.ts';
import type { Stage } from './stage.ts';

const run = promisify(execFile);

const WRK = {
  name: 'wrk',
  programs: ['wrk'],
  debian: 'wrk',
  dnf: 'sudo dnf install -y wrk',
  brew: 'wrk',
  instead: 'Or go without: the bench then loads with a client of its own.',
} as const satisfies ProgramSource;

/** The path of wrk, installed if need be; undefined when it cannot be had. */
export async function findWrk(say: (line: string) => void): Promise<string | undefined> {
  try {
    return await ensureProgram(WRK, { install: 'auto', say });
  } catch {
    say('wrk is not here and cannot be installed: the bench loads with a client of its own');
    return undefined;
  }
}

export interface Load {
  /** Requests that were answered. */
  readonly jobs: number;
  readonly ms: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export class HttpLoad {
  readonly #stage: Stage;
  #client: Actor<HttpClientCommands> | undefined;

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  /** The bench's own client, for what wrk cannot do. */
  get client(): Actor<HttpClientCommands> {
    this.#client ??= this.#stage.actor<HttpClientCommands>('suite/actors/http-client.js');
    return this.#client;
  }

  /** Keep `connections` busy for whole `seconds`, shared evenly by the targets. */
  async busy(targets: readonly Target[], connections: number, seconds: number): Promise<Load> {
    const { wrk } = this.#stage.bench;
    if (wrk === undefined)
      return summary([await this.client.call('load', targets, connections, { ms: seconds * 1000 })]);
    const each = Math.max(1, Math.round(connections / targets.length));
    return summary(await Promise.all(targets.map((target) => this.#wrk(wrk, target, each, seconds))));
  }

  async #wrk(wrk: string, target: Target, connections: number, seconds: number): Promise<Loaded> {
    const script = join(this.#stage.bench.build.folder, `${randomBytes(6).toString('hex')}.lua`);
    await writeFile(script, luaFor(target));
    const url = `http://127.0.0.1:${target.port}${target.path}`;
    const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '10s', '-s', script, url];
    const { stdout } = await run(wrk, args, { timeout: (seconds + 20) * 1000 });
    const line = /^RESULT (.*)$/m.exec(stdout)?.[1];
    if (line === undefined) throw new Error(`wrk printed no result:\n${stdout}`);
    return JSON.parse(line) as Loaded;
  }
}

/** All loads as one. Throws when a request failed. */
function summary(all: readonly Loaded[]): Load {
  const requests = all.reduce((sum, each) => sum + each.requests, 0);
  const failed = all.reduce((sum, each) => sum + each.failed, 0);
  if (requests === 0 || failed > 0) throw new Error(`${failed} of ${requests} requests failed`);
  // Each load's quantiles stand for its requests: together they are the quantiles of all.
  const weighted = all.flatMap((each) => each.quantilesMs.map((ms) => ({ ms, weight: each.requests })));
  weighted.sort((a, b) => a.ms - b.ms);
  const total = weighted.reduce((sum, { weight }) => sum + weight, 0);
  const at = (share: number) => {
    let seen = 0;
    for (const { ms, weight } of weighted) {
      seen += weight;
      if (seen >= total * share) return ms;
    }
    return Number.NaN;
  };
  return { jobs: requests, ms: Math.max(...all.map(({ ms }) => ms)), p50Ms: at(0.5), p99Ms: at(0.99) };
}

/** `{at}` and `{n}` are fixed for wrk: it sends one prepared request. */
function luaFor({ headers, body }: Target): string {
  const fixed = body.replaceAll('{at}', '12345678901').replaceAll('{n}', '1');
  return [
    'wrk.method = "POST"',
    ...Object.entries(headers).map(
      ([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}`,
    ),
    `wrk.body = ${luaText(fixed)}`,
    'done = function(summary, latency)',
    '  local errors = summary.errors',
    '  local failed = errors.status + errors.connect + errors.read + errors.write + errors.timeout',
    '  local times = {}',
    '  for n = 0, 1000 do times[n + 1] = string.format("%.4f", latency:percentile(n == 1000 and 99.999 or n / 10) / 1000) end',
    '  io.write(string.format(\'\\nRESULT {"requests":%d,"failed":%d,"ms":%f,"quantilesMs":[%s]}\\n\',',
    '    summary.requests, failed, summary.duration / 1000, table.concat(times, ",")))',
    'end',
    '',
  ].join('\n');
}

/** A Lua long string: JSON text with line ends goes in as it is. The first line end after `[[` is dropped by Lua. */
function luaText(text: string): string {
  return `[==[\n${text}]==]`;
}
