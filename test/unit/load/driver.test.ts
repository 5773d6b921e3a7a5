import { describe, expect, it } from 'vitest';
import { type Due, driveClosed, driveOpen } from '../../load/driver.ts';
import { Histogram } from '../../load/histogram.ts';
import { Random } from '../../load/random.ts';
import { dueTimes } from '../../load/schedule.ts';
import { VirtualClock } from './virtual-clock.ts';

const SERVICE_MS = 2;

interface Story {
  readonly rate: number;
  readonly durationMs: number;
  readonly connections: number;
  readonly patienceMs?: number;
  /** When the answer to a request that is sent now comes. */
  readonly answeredAt: (sentMs: number) => number;
  readonly signal?: AbortSignal;
  readonly onSend?: (sentMs: number) => void;
}

interface Told extends Due {
  /** Undefined: never sent. */
  readonly sentMs: number | undefined;
  readonly doneMs: number;
}

/** Play an open loop against a service of which only the times are known. */
async function play({ rate, durationMs, connections, patienceMs = 60_000, answeredAt, signal, onSend }: Story) {
  const clock = new VirtualClock();
  const told: Told[] = [];
  let inFlight = 0;
  let most = 0;
  const random = new Random(1, 'arrivals');
  const driving = driveOpen({
    schedule: dueTimes({ rate, durationMs, rampMs: 0, arrivals: 'constant', random }),
    connections,
    patienceMs,
    clock,
    signal: signal ?? new AbortController().signal,
    send: async (due) => {
      const sentMs = clock.now();
      onSend?.(sentMs);
      inFlight += 1;
      most = Math.max(most, inFlight);
      const untilMs = Math.min(answeredAt(sentMs), sentMs + patienceMs);
      await clock.wait(untilMs - sentMs);
      inFlight -= 1;
      told.push({ ...due, sentMs, doneMs: clock.now() });
    },
    giveUp: (due) => told.push({ ...due, sentMs: undefined, doneMs: clock.now() }),
  });
  await clock.finish(driving);
  return { told, most };
}

function histogramOf(times: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const ms of times) histogram.record(ms);
  return histogram;
}

/** The service stands still from 1 s to 2 s. */
const stalled = (sentMs: number) => Math.max(sentMs, sentMs >= 1000 && sentMs < 2000 ? 2000 : 0) + SERVICE_MS;

describe('the open loop', () => {
  it('sends at the times of the schedule when nothing hinders it', async () => {
    const { told } = await play({ rate: 10, durationMs: 500, connections: 4, answeredAt: (ms) => ms + SERVICE_MS });
    expect(told.map(({ dueMs }) => dueMs)).toEqual([0, 100, 200, 300, 400]);
    expect(told.every(({ dueMs, sentMs, waited }) => Math.abs(dueMs - (sentMs ?? 0)) <= 1 && !waited)).toBe(true);
  });

  it('counts a stall against every request that was due in it, not only against those that were in flight', async () => {
    const { told } = await play({ rate: 100, durationMs: 3000, connections: 2, answeredAt: stalled });
    expect(told).toHaveLength(300);
    const fromDue = histogramOf(told.map(({ dueMs, doneMs }) => doneMs - dueMs));
    const fromSending = histogramOf(told.map(({ sentMs, doneMs }) => doneMs - (sentMs ?? 0)));
    // Of 300 requests 100 were due while it stood still, half of them for more than half a second.
    const slow = told.filter(({ dueMs, doneMs }) => doneMs - dueMs >= 500);
    expect(slow.length).toBeGreaterThanOrEqual(50);
    expect(fromDue.percentile(0.75)).toBeGreaterThan(200);
    expect(fromDue.percentile(0.99)).toBeGreaterThan(900);
    // Who asks only when it is answered sees two slow requests.
    expect(fromSending.percentile(0.99)).toBeLessThan(10);
  });

  it('sends at the old times again after a stall', async () => {
    const { told } = await play({ rate: 100, durationMs: 4000, connections: 2, answeredAt: stalled });
    const last = told.filter(({ dueMs }) => dueMs > 3500);
    expect(last).toHaveLength(49);
    expect(last.every(({ dueMs, doneMs }) => doneMs - dueMs <= SERVICE_MS + 1)).toBe(true);
  });

  it('never has more requests in flight than connections', async () => {
    const { most, told } = await play({ rate: 1000, durationMs: 1000, connections: 5, answeredAt: (ms) => ms + 50 });
    expect(most).toBe(5);
    expect(told.filter(({ waited }) => waited).length).toBeGreaterThan(900);
  });

  it('gives up a request that no connection took within its patience, and tells each one once', async () => {
    const hanging = { rate: 100, durationMs: 1000, connections: 2, patienceMs: 200 };
    const { told } = await play({ ...hanging, answeredAt: () => Number.MAX_SAFE_INTEGER });
    expect(told).toHaveLength(100);
    expect(new Set(told.map(({ dueMs }) => dueMs)).size).toBe(100);
    expect(told.filter(({ sentMs }) => sentMs === undefined).length).toBeGreaterThan(50);
    expect(Math.max(...told.map(({ dueMs, doneMs }) => doneMs - dueMs))).toBeLessThanOrEqual(400);
  });

  it('waits for the answers of what was sent before it ends', async () => {
    const { told } = await play({ rate: 10, durationMs: 1000, connections: 50, answeredAt: (ms) => ms + 5000 });
    expect(told).toHaveLength(10);
    expect(Math.max(...told.map(({ doneMs }) => doneMs))).toBeGreaterThan(5800);
  });

  it('sends nothing more after the signal, and tells what was due before it', async () => {
    const end = new AbortController();
    const onSend = (ms: number) => {
      if (ms > 450) end.abort();
    };
    const { told } = await play({
      rate: 10,
      durationMs: 10_000,
      connections: 4,
      answeredAt: (ms) => ms + 20,
      signal: end.signal,
      onSend,
    });
    expect(told.map(({ dueMs }) => dueMs)).toEqual([0, 100, 200, 300, 400, 500]);
  });

  it('tells as never sent what waited for a connection when the signal came', async () => {
    const end = new AbortController();
    const clock = new VirtualClock();
    const told: string[] = [];
    const driving = driveOpen({
      schedule: [0, 0, 0, 5000],
      connections: 1,
      patienceMs: 60_000,
      clock,
      signal: end.signal,
      send: async ({ dueMs }) => {
        await clock.wait(100);
        end.abort();
        await clock.wait(100);
        told.push(`sent ${dueMs}`);
      },
      giveUp: ({ dueMs }) => told.push(`never sent ${dueMs}`),
    });
    await clock.finish(driving);
    expect(told).toEqual(['never sent 0', 'never sent 0', 'sent 0']);
  });
});

describe('the closed loop', () => {
  it('sends the next request when the one before is answered, on each connection', async () => {
    const clock = new VirtualClock();
    let sent = 0;
    let inFlight = 0;
    let most = 0;
    const driving = driveClosed({
      connections: 3,
      durationMs: 1000,
      rampMs: 0,
      clock,
      signal: new AbortController().signal,
      send: async () => {
        sent += 1;
        inFlight += 1;
        most = Math.max(most, inFlight);
        await clock.wait(10);
        inFlight -= 1;
        return { answered: true };
      },
    });
    await clock.finish(driving);
    expect(most).toBe(3);
    expect(sent).toBe(300);
  });

  it('rests before it dials a service again that gives no answer', async () => {
    const clock = new VirtualClock();
    let sent = 0;
    const send = async () => {
      sent += 1;
      return { answered: false };
    };
    const signal = new AbortController().signal;
    await clock.finish(driveClosed({ connections: 1, durationMs: 1000, rampMs: 0, clock, signal, send }));
    expect(sent).toBe(10);
  });

  it('begins its connections one after the other over the ramp', async () => {
    const clock = new VirtualClock();
    const begun: number[] = [];
    const send = async () => {
      if (begun.length < 4) begun.push(clock.now());
      await clock.wait(100_000);
      return { answered: true };
    };
    const signal = new AbortController().signal;
    await clock.finish(driveClosed({ connections: 4, durationMs: 1000, rampMs: 400, clock, signal, send }));
    expect(begun).toEqual([0, 100, 200, 300]);
  });
});
