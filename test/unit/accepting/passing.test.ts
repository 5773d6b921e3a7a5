import { pino } from 'pino';
import { expect, it } from 'vitest';
import { Passing } from '../../../src/accepting/passing.ts';
import { AppError } from '../../../src/errors.ts';
import { SetAside } from '../../../src/journal/set-aside.ts';
import { entry, journalFolder, openJournal, write } from '../../support/journal-folder.ts';

/** A passing whose queues refuse some ids; `added` is every id that reached its queue, in order. */
async function passing(refused: ReadonlySet<string>) {
  const directory = await journalFolder();
  const journal = await openJournal(directory);
  const setAside = new SetAside({ directory });
  await setAside.start();
  const added: string[] = [];
  const stands = {
    journal,
    setAside,
    handover: {
      add: async (_queue: string, jobs: readonly { id: string }[]) => {
        if (jobs.some(({ id }) => refused.has(id))) throw new Error('WRONGTYPE');
        added.push(...jobs.map(({ id }) => id));
        return jobs.map(() => true);
      },
    },
    breaker: { run: <T>(work: () => Promise<T>) => work() },
    ledger: { cancelledAmong: async () => new Set<string>() },
    acceptedList: { remove: async () => {} },
    queues: {},
    logger: pino({ level: 'silent' }),
  };
  return {
    journal,
    setAside,
    added,
    passing: new Passing(stands as unknown as ConstructorParameters<typeof Passing>[0]),
  };
}

it('two entries that are refused out of step are both set aside, and the batch goes', async () => {
  const [x, y, good] = [entry(1, { keyed: false }), entry(2), entry(3)];
  const { journal, setAside, added, passing: way } = await passing(new Set([x.id, y.id]));
  const numbers = await write(journal, [x, y, good]);
  const items = [x, y, good].map((each, index) => ({ number: numbers[index] ?? 0, entry: each, handed: false }));
  await expect(way.pass(items.slice(0, 1), false)).rejects.toThrow('WRONGTYPE');
  let tries = 0;
  const pass = async (): Promise<void> => {
    tries += 1;
    await way.pass(items, false).catch((error: unknown) => (tries < 10 ? pass() : Promise.reject(error)));
  };
  await pass();
  expect(tries).toBe(3);
  expect((await setAside.list()).map((each) => each.entry.id).sort()).toEqual([x.id, y.id].sort());
  expect(added.filter((id) => id !== good.id)).toEqual([]);
  expect(added).toContain(good.id);
});

it('a store that is away counts against no entry', async () => {
  const { journal, setAside } = await passing(new Set());
  const [number = 0] = await write(journal, [entry(1)]);
  const away = new AppError('store-unavailable', 'away');
  const stuck = new Passing({
    journal,
    setAside,
    breaker: { run: () => Promise.reject(away) },
  } as unknown as ConstructorParameters<typeof Passing>[0]);
  for (let tries = 0; tries < 5; tries++) {
    await expect(stuck.pass([{ number, entry: entry(1), handed: false }], false)).rejects.toBe(away);
  }
  expect(await setAside.list()).toEqual([]);
});
