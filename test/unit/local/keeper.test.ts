import { describe, expect, it } from 'vitest';
import { Deadline, within } from '../../../src/lifecycle.ts';
import { Keeper, type Run, restartDelayMs } from '../../../src/local/keeper.ts';

/** A run that ends when the test says so. */
class FakeRun implements Run {
  readonly pid = 1;
  readonly ended: Promise<string>;
  end: (reason: string) => void = () => undefined;

  constructor() {
    this.ended = new Promise((resolve) => {
      this.end = resolve;
    });
  }

  async stop(): Promise<void> {
    this.end('stopped');
  }

  kill(): void {
    this.end('killed');
  }
}

/** A keeper of fake runs, and each new run as it starts. */
function keeping(options: { steadyMs?: number; failures?: number } = {}) {
  const lines: string[] = [];
  const waiting: ((run: FakeRun) => void)[] = [];
  const runs: FakeRun[] = [];
  let failures = options.failures ?? 0;
  const keeper = new Keeper<FakeRun>({
    name: 'it',
    say: (line) => void lines.push(line),
    delayMs: (ends) => ends * 10,
    start: async () => {
      if (runs.length > 0 && failures > 0) {
        failures -= 1;
        throw new Error('no luck');
      }
      return new FakeRun();
    },
    started: (run) => {
      runs.push(run);
      waiting.shift()?.(run);
    },
    ...(options.steadyMs === undefined ? {} : { steadyMs: options.steadyMs }),
  });
  const next = () =>
    within(10_000, new Promise<FakeRun>((resolve) => waiting.push(resolve)), () => new Error('no new run'));
  return { keeper, lines, runs, next };
}

describe('a keeper', () => {
  it('starts again what ended, and says so', async () => {
    const { keeper, lines, runs, next } = keeping();
    await keeper.start();
    const second = next();
    runs[0]?.end('exit code 1');
    await second;
    expect(lines).toEqual(['it ended (exit code 1); starting it again in 0.01 s']);
    await keeper.stop(Deadline.in(1000));
    expect(runs).toHaveLength(2);
  });

  it('counts the ends in a row, and a steady run begins the row anew', async () => {
    const { keeper, runs, next } = keeping({ steadyMs: 0 });
    await keeper.start();
    const second = next();
    runs[0]?.end('exit code 1');
    await second;
    const third = next();
    runs[1]?.end('exit code 1');
    await third;
    expect(keeper.endsInARow).toBe(1);
    await keeper.stop(Deadline.in(1000));
  });

  it('tries again when a later start fails', async () => {
    const { keeper, lines, runs, next } = keeping({ failures: 1 });
    await keeper.start();
    const second = next();
    runs[0]?.end('signal SIGKILL');
    await second;
    expect(lines).toEqual([
      'it ended (signal SIGKILL); starting it again in 0.01 s',
      'it did not start: no luck',
      'it ended (did not start); starting it again in 0.02 s',
    ]);
    await keeper.stop(Deadline.in(1000));
  });

  it('hands a failure of the first start to its caller', async () => {
    const keeper = new Keeper<FakeRun>({
      name: 'it',
      say: () => undefined,
      start: () => Promise.reject(new Error('no')),
    });
    await expect(keeper.start()).rejects.toThrow('no');
    await keeper.stop(Deadline.in(1000));
  });

  it('starts nothing after it was stopped while waiting', async () => {
    const { keeper, runs, lines } = keeping();
    await keeper.start();
    runs[0]?.end('exit code 1');
    await runs[0]?.ended;
    await keeper.stop(Deadline.in(1000));
    expect(runs).toHaveLength(1);
    expect(lines.length).toBeLessThanOrEqual(1);
  });

  it('waits twice as long after each end, at most 30 s', () => {
    expect([1, 2, 3, 4, 7, 100].map(restartDelayMs)).toEqual([500, 1000, 2000, 4000, 30_000, 30_000]);
  });
});
