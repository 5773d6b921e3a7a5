/**
 * A job as the journal keeps it, and its bytes.
 *
 * One entry is its fields one after the other, each text with its length before it: an id can be read without parsing
 * what comes after. Numbers are big-endian.
 */

/** An accepted job, with everything that its queue needs to know. */
export interface JournalEntry {
  readonly id: string;
  readonly queue: string;
  readonly name: string;
  readonly tenant: string;
  /** The envelope as JSON. */
  readonly data: string;
  /** Milliseconds since 1970: when it was requested. */
  readonly requestedAt: number;
  /** Milliseconds since 1970, before which it must not start; 0: at once. */
  readonly runAt: number;
  /** 0: none. */
  readonly priority: number;
  readonly attempts: number;
  /** It came with an Idempotency-Key: another request under the same id must not pass for this one. */
  readonly keyed: boolean;
}

/** Bytes of the numbers: two times, priority, attempts, flags. */
const NUMBERS = 8 + 8 + 1 + 1 + 1;
const KEYED = 1;

/** How many bytes an entry takes. */
export function entryBytes({ id, queue, name, tenant, data }: JournalEntry): number {
  return 4 + 2 + id.length + 1 + queue.length + 1 + name.length + 2 + tenant.length + NUMBERS + Buffer.byteLength(data);
}

/** Write an entry of `length` bytes at `start`. Ids, names and tenants are ASCII; only the data may be any text. */
export function encodeEntry(entry: JournalEntry, bytes: Buffer, start: number, length: number): void {
  const { id, queue, name, tenant, data } = entry;
  let at = bytes.writeUInt32BE(length, start);
  at = bytes.writeUInt16BE(id.length, at);
  at += bytes.write(id, at, 'latin1');
  at = bytes.writeUInt8(queue.length, at);
  at += bytes.write(queue, at, 'latin1');
  at = bytes.writeUInt8(name.length, at);
  at += bytes.write(name, at, 'latin1');
  at = bytes.writeUInt16BE(tenant.length, at);
  at += bytes.write(tenant, at, 'latin1');
  at = bytes.writeDoubleBE(entry.requestedAt, at);
  at = bytes.writeDoubleBE(entry.runAt, at);
  at = bytes.writeUInt8(entry.priority, at);
  at = bytes.writeUInt8(entry.attempts, at);
  at = bytes.writeUInt8(entry.keyed ? KEYED : 0, at);
  bytes.write(data, at, 'utf8');
}

/** Where the next entry starts. Throws RangeError on bytes that are none. */
export function endOfEntry(bytes: Buffer, start: number): number {
  const end = start + bytes.readUInt32BE(start);
  if (end > bytes.length || end === start) throw new RangeError('an entry is longer than its record');
  return end;
}

/** Queue and job names come again and again: one string for each. */
const names = new Map<string, string>();

function interned(text: string): string {
  const known = names.get(text);
  if (known !== undefined) return known;
  names.set(text, text);
  return text;
}

/** The id and the queue of the entry that starts at `start`, without the rest of it. */
export function peekEntry(bytes: Buffer, start: number): Pick<JournalEntry, 'id' | 'queue'> {
  const idEnd = start + 6 + bytes.readUInt16BE(start + 4);
  const queueEnd = idEnd + 1 + bytes.readUInt8(idEnd);
  return {
    id: bytes.toString('latin1', start + 6, idEnd),
    queue: interned(bytes.toString('latin1', idEnd + 1, queueEnd)),
  };
}

/** Read the entry that starts at `start` and ends at `end`. */
export function decodeEntry(bytes: Buffer, start: number, end: number): JournalEntry {
  let at = start + 4;
  const text = (lengthBytes: 1 | 2) => {
    const from = at + lengthBytes;
    at = from + bytes.readUIntBE(at, lengthBytes);
    return bytes.toString('latin1', from, at);
  };
  const id = text(2);
  const queue = interned(text(1));
  const name = interned(text(1));
  const tenant = text(2);
  const requestedAt = bytes.readDoubleBE(at);
  const runAt = bytes.readDoubleBE(at + 8);
  const priority = bytes.readUInt8(at + 16);
  const attempts = bytes.readUInt8(at + 17);
  const keyed = (bytes.readUInt8(at + 18) & KEYED) !== 0;
  const data = bytes.toString('utf8', at + NUMBERS, end);
  return { id, queue, name, tenant, data, requestedAt, runAt, priority, attempts, keyed };
}
