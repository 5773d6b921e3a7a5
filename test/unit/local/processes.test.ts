import { type ChildProcess, spawn } from 'node:child_process';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Deadline } from '../../../src/lifecycle.ts';
import { commandLine, endProcess, identify, isRunning, isSameProcess, signal } from '../../../src/local/processes.ts';

/** A node process that says when it runs; it is killed when the test ends. */
async function child(script: string): Promise<ChildProcess & { pid: number }> {
  const program = spawn(process.execPath, ['-e', `${script}; console.log('up'); setInterval(() => {}, 1e6)`], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  onTestFinished(() => void program.kill('SIGKILL'));
  await new Promise((resolve) => program.stdout.once('data', resolve));
  if (program.pid === undefined) throw new Error('not started');
  return Object.assign(program, { pid: program.pid });
}

describe('a process', () => {
  it('is the same as long as it runs, and not one that had its number before', async () => {
    const { pid } = await child('');
    const identity = identify(pid);
    expect(identity && isSameProcess(identity)).toBe(true);
    expect(isSameProcess({ pid, mark: 'another time' })).toBe(false);
    expect(commandLine(pid)).toContain('setInterval');
    await endProcess(pid, 'SIGTERM', Deadline.in(5000));
    expect(identity && isSameProcess(identity)).toBe(false);
    expect(identify(pid)).toBeUndefined();
    expect(commandLine(pid)).toBe('');
  });

  it('that ignores the polite signal is killed at the deadline', async () => {
    const { pid } = await child(`process.on('SIGTERM', () => {})`);
    await endProcess(pid, 'SIGTERM', Deadline.in(200));
    expect(isRunning(pid)).toBe(false);
  });

  it('that is frozen is killed at the deadline', async () => {
    const { pid } = await child('');
    signal(pid, 'SIGSTOP');
    await endProcess(pid, 'SIGTERM', Deadline.in(200));
    expect(isRunning(pid)).toBe(false);
  });

  it('that does not exist gets no signal', () => {
    expect(signal(2 ** 30, 'SIGTERM')).toBe(false);
  });
});
