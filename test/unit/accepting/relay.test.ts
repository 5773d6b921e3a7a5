import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { PassedEntry } from '../../../src/accepting/passing.ts';
import { PendingJobs } from '../../../src/accepting/pending-jobs.ts';
import type { PreparedJob } from '../../../src/accepting/prepared-job.ts';
import { Relay } from '../../../src/accepting/relay.ts';
import { Deadline } from '../../../src/lifecycle.ts';
import { entry, journalFolder, openJournal } from '../../support/journal-folder.ts';
import { type Latch, latch } from '../../support/latch.ts';

const ID = `learning_${'a'.repeat(64)}`;

/** The same request, as two callers with one key bring it. */
const asked = (id = ID) =>
  ({
    id,
    definition: { name: 'learning.no-op', queue: 'learning' },
    envelope: { tenant: 'default', payload: {}, bodyHash: 'b' },
    requestedAt: 1,
    attempts: 1,
    priority: 0,
    repeatable: true,
  }) as unknown as PreparedJob;

/**
 * A relay whose queues take what comes, a call when its gate opens if `gates` are given. `called`: jobs of each call;
 * `passed`: what reached the queues.
 */
async function relaying(gates: Latch[] = [], clock = Date.now) {
  const journal = await openJournal(await journalFolder());
  const passed: string[] = [];
  const called: number[] = [];
  const begun = latch();
  const passing = {
    pass: async (entries: readonly PassedEntry[]) => {
      called.push(entries.length);
      begun.open();
      await gates.shift()?.opened;
      passed.push(...entries.map(({ entry }) => entry.id));
      return 1;
    },
  };
  const limits = { mostPending: 100, longestPendingMs: 60_000 };
  const stands = {
    journal,
    passing,
    breaker: { state: 'closed', onChange: () => () => {}, closes: async () => {} },
    pending: new PendingJobs({ journal, limits, clock: Date.now }),
    beforeResuming: async () => {},
    onHanded: () => {},
    logger: pino({ level: 'silent' }),
    clock,
  };
  const relay = new Relay(stands as unknown as ConstructorParameters<typeof Relay>[0]);
  await relay.start();
  onTestFinished(() => relay.stop(Deadline.in(5000)));
  return { relay, journal, passed, called, passing: begun.opened };
}

describe('a job that was asked for twice and is cancelled', () => {
  it('is left out both times', async () => {
    const { relay, passed } = await relaying();
    await relay.holdWhile(async () => {
      expect(await Promise.all([relay.take(asked()), relay.take(asked())])).toEqual(['kept', 'kept']);
      // Both callers cancel.
      expect(await Promise.all([relay.withdraw(ID), relay.withdraw(ID)])).toEqual([true, true]);
    });
    const after = `learning_${'c'.repeat(64)}`;
    await relay.take(asked(after));
    expect(passed).toEqual([after]);
  });

  it('is not said to be left out once the first of the two is in its queue', async () => {
    const gate = latch();
    const { relay, passed, passing } = await relaying([gate]);
    const first = relay.take(asked());
    await passing;
    const held = relay.holdWhile(async () => {
      expect(passed).toEqual([ID]);
      expect(await relay.withdraw(ID)).toBe(false);
      expect(relay.isDoubtful(ID)).toBe(true);
    });
    const second = relay.take(asked());
    gate.open();
    await Promise.all([first, held, second]);
    expect(relay.isDoubtful(ID)).toBe(false);
  });
});

describe('whoever waits for an answer while entries come into the journal by themselves', () => {
  it('is told as soon as the job is in its queue', async () => {
    // No time passes: nobody gives up waiting.
    const { relay, journal, passed } = await relaying([], () => 1_700_000_000_000);
    await relay.take(asked());
    const rewritten = journal.adopt([{ number: 0, entry: entry(1), handed: true }]);
    const behind = [1, 2, 3].map((n) => `learning_${n.toString(16).repeat(64)}`);
    expect(await Promise.all(behind.map((id) => relay.take(asked(id))))).toEqual(['handed', 'handed', 'handed']);
    expect(passed).toEqual([ID, ...behind]);
    await rewritten;
  });
});

describe('many jobs in one turn of the event loop', () => {
  it('begin to be handed over before the turn ends, in their order', async () => {
    const gates = [latch(), latch()];
    const { relay, passed, called } = await relaying([...gates]);
    const ids = Array.from({ length: 100 }, (_, number) => `learning_${String(number).padStart(64, 'a')}`);
    const answers = ids.map((id) => relay.take(asked(id)));
    // Nothing was waited for: this is the turn in which they came. Two batches are the most under way.
    expect(called).toEqual([1, 24]);
    for (const gate of gates) gate.open();
    expect(new Set(await Promise.all(answers))).toEqual(new Set(['handed']));
    expect(passed).toEqual(ids);
  });
});
