import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { isRunning } from '../../../src/local/processes.ts';
import { type BoundedRun, runBounded } from '../../../src/providers/bounded-program.ts';

const BOUNDS = {
  cwd: tmpdir(),
  timeoutMs: 20_000,
  cpuSeconds: 10,
  memoryBytes: 1_000_000_000,
  fileBytes: 1000,
  outputBytes: 10_000,
};

const shell = (script: string, more: Partial<BoundedRun> = {}) =>
  runBounded({ program: '/bin/sh', args: ['-c', script], signal: new AbortController().signal, ...BOUNDS, ...more });

afterEach(() => vi.unstubAllEnvs());

describe('a bounded program', () => {
  it('tells how it ended and what it printed', async () => {
    expect(await shell('echo out; echo err >&2; exit 3')).toEqual({
      how: 'exit',
      code: 3,
      killedBy: undefined,
      stdout: 'out\n',
      stderr: 'err\n',
    });
  });

  it('gets its words as they are, and nothing of our environment', async () => {
    vi.stubEnv('SECRET_OF_OURS', 'secret');
    const word = '$(touch /tmp/never); `id` "quoted" \n;';
    const run = { program: '/usr/bin/env', args: ['sh', '-c', 'env; printf %s "$1"', 'sh', word], ...BOUNDS };
    const { stdout } = await runBounded({ ...run, signal: new AbortController().signal });
    expect(stdout).toContain(word);
    expect(stdout).not.toContain('secret');
  });

  it('is ended when it takes more processor time than allowed', async () => {
    expect(await shell('while :; do :; done', { cpuSeconds: 1 })).toMatchObject({ how: 'limit', killedBy: 'SIGXCPU' });
  });

  it('is ended when it takes longer than allowed', async () => {
    expect(await shell('exec sleep 30', { timeoutMs: 100 })).toMatchObject({ how: 'timeout', killedBy: 'SIGKILL' });
  });

  it('cannot take more memory than allowed', async () => {
    const script = 'x=0123456789; while :; do x=$x$x; done';
    const ended = await shell(script, { memoryBytes: 100_000_000 });
    expect(ended.how === 'exit' && ended.code === 0).toBe(false);
  });

  it('cannot write a larger file than allowed', async () => {
    const ended = await shell('f=$(mktemp) && trap "rm -f $f" EXIT && head -c 5000 /dev/zero >"$f"; wc -c <"$f"');
    expect(Number(ended.stdout)).toBe(1000);
  });

  it('is ended when it prints more than allowed', async () => {
    await expect(shell('yes')).rejects.toThrow('printed more than 10000 bytes');
  });

  it('is killed when the signal aborts, and the reason is thrown', async () => {
    const ending = new AbortController();
    const reason = new Error('over');
    const run = shell('exec sleep 30', { signal: ending.signal });
    ending.abort(reason);
    await expect(run).rejects.toBe(reason);
    await expect(shell('echo never', { signal: ending.signal })).rejects.toBe(reason);
  });

  it('that is not there is thrown, where it can be told', async () => {
    const run = { ...BOUNDS, args: [], program: '/nowhere/to/be/found', signal: new AbortController().signal };
    const ended = await runBounded(run);
    expect(ended.code).toBe(127);
  });

  it('is bounded by a shell where the system has no prlimit', async () => {
    vi.stubEnv('PATH', '/nowhere');
    const ended = await shell('while :; do :; done', { cpuSeconds: 1 });
    expect(['limit', 'signal']).toContain(ended.how);
    expect((await shell('echo "$0 fine"')).stdout).toContain('fine');
  });

  it('dies with us, also when we are killed', async () => {
    const file = new URL('../../../src/providers/bounded-program.ts', import.meta.url).href;
    const script = `
      import { runBounded } from ${JSON.stringify(file)};
      const bounds = ${JSON.stringify(BOUNDS)};
      void runBounded({ ...bounds, program: '/bin/sh', args: ['-c', 'echo $$ >&2; exec sleep 30'], signal: new AbortController().signal });
      setTimeout(() => process.kill(process.pid, 'SIGKILL'), 1500);`;
    const loader = createRequire(import.meta.url).resolve('tsx');
    const args = ['--import', loader, '--input-type=module', '-e', script];
    const parent = execFile(process.execPath, args);
    const ended = new Promise((resolve) => parent.once('exit', (_code, name) => resolve(name)));
    const child = () => childOf(parent.pid ?? 0);
    const pid = await vi.waitUntil(child, { timeout: 10_000, interval: 20 });
    expect(isRunning(pid)).toBe(true);
    expect(await ended).toBe('SIGKILL');
    await expect.poll(() => isRunning(pid), { timeout: 5000 }).toBe(false);
  });
});

/** The process that runs `sleep 30` below this one; 0 while there is none. */
async function childOf(pid: number): Promise<number> {
  return new Promise((resolve) =>
    execFile('ps', ['-o', 'pid=,args=', '--ppid', String(pid)], (_error, out) =>
      resolve(Number(/^\s*(\d+) sleep 30/m.exec(out)?.[1] ?? 0)),
    ),
  );
}
