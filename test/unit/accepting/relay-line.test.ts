import { describe, expect, it } from 'vitest';
import { type RelayItem, RelayLine } from '../../../src/accepting/relay-line.ts';
import { Ticket } from '../../../src/accepting/ticket.ts';
import type { Journal } from '../../../src/journal/journal.ts';
import { entry, journalFolder, openJournal } from '../../support/journal-folder.ts';

/** Take an entry in as the relay does, with somebody who waits for it. */
function take(journal: Journal, line: RelayLine, n: number): RelayItem & { readonly ticket: Ticket } {
  const item = { number: journal.add(entry(n)).number, entry: entry(n), handed: false, ticket: new Ticket(1) };
  line.append(item);
  return item;
}

/** Everything there is before the relay, to the end. */
async function drain(line: RelayLine): Promise<RelayItem[]> {
  const given: RelayItem[] = [];
  for (;;) {
    const items = line.next(200);
    given.push(...items);
    if (items.length > 0) continue;
    if (!line.hasGap) return given;
    await line.readOn();
  }
}

const someJournal = async () => openJournal(await journalFolder());

describe('the line of a relay', () => {
  it('knows who waits for what came behind entries that came by themselves', async () => {
    const journal = await someJournal();
    const line = new RelayLine(journal);
    const first = take(journal, line, 1);
    const adopted = journal.adopt([
      { number: 0, entry: entry(2), handed: true },
      { number: 0, entry: entry(3), handed: false },
    ]);
    const behind = [take(journal, line, 4), take(journal, line, 5)];
    expect(line.hasGap).toBe(true);
    const given = await drain(line);
    expect(given.map(({ entry: { id } }) => id)).toEqual([1, 3, 4, 5].map((n) => entry(n).id));
    expect(given.map(({ ticket }) => ticket)).toEqual([first.ticket, undefined, ...behind.map(({ ticket }) => ticket)]);
    await adopted;
  });

  it('knows them too when that happens again before the gap is closed', async () => {
    const journal = await someJournal();
    const line = new RelayLine(journal);
    await journal.adopt([{ number: 0, entry: entry(1), handed: true }]);
    take(journal, line, 2);
    const reading = line.readOn();
    await journal.adopt([{ number: 0, entry: entry(3), handed: true }]);
    const last = take(journal, line, 4);
    await reading;
    const given = await drain(line);
    expect(given.map(({ entry: { id } }) => id)).toEqual([entry(2).id, entry(4).id]);
    expect(given[1]?.ticket).toBe(last.ticket);
  });

  it('gives out more than it holds in order, each once', async () => {
    const journal = await someJournal();
    const line = new RelayLine(journal);
    const most = 12_345;
    for (let n = 0; n < most; n++) take(journal, line, n);
    expect(line.held).toBe(5000);
    const numbers = (await drain(line)).map(({ number }) => number);
    expect(numbers).toEqual(Array.from({ length: most }, (_, n) => n + 1));
  });

  it('reads nothing of what it has in memory', async () => {
    const journal = await someJournal();
    let reads = 0;
    const read = (from: number) => {
      reads += 1;
      return journal.read(from);
    };
    const counting = { handedEnd: journal.handedEnd, end: 7001, read } as unknown as Journal;
    const line = new RelayLine(counting);
    const taken = Array.from({ length: 7000 }, (_, n) => take(journal, line, n));
    expect((await drain(line)).map(({ ticket }) => ticket)).toEqual(taken.map(({ ticket }) => ticket));
    expect(reads).toBe(0);
  });

  it('gives out what was put back before all else', async () => {
    const journal = await someJournal();
    const line = new RelayLine(journal);
    for (let n = 0; n < 6; n++) take(journal, line, n);
    const [second, third] = [line.next(2), line.next(2)];
    line.putBack([...third, ...second]);
    expect((await drain(line)).map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6]);
  });
});
