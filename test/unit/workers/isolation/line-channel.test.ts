import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { LineChannel, parseLine } from '../../../../workers/isolation/line-channel.ts';
import { latch } from '../../../support/latch.ts';

const MOST = 1000;
let close = () => {};

afterEach(() => close());

/** A channel on one end of a socket, and the other end, raw. */
async function open() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const accepted = once(server, 'connection');
  const socket = connect(address.port, '127.0.0.1');
  const [other] = (await accepted) as [Socket];
  const lines: string[] = [];
  const ends: string[] = [];
  const ended = latch();
  const channel = new LineChannel({
    socket,
    mostBytes: MOST,
    onLine: (line) => lines.push(line),
    onEnd: (why) => {
      ends.push(why);
      ended.open();
    },
  });
  close = () => {
    socket.destroy();
    other.destroy();
    server.close();
  };
  return { channel, other, lines, ends, ended: ended.opened };
}

describe('a line channel', () => {
  test('hears whole lines, however they are cut', async () => {
    const { other, lines, ends, ended } = await open();
    const text = Buffer.from('{"a":"ä€😀"}\n\n{"b":1}\nrest');
    for (const byte of text) other.write(Buffer.from([byte]));
    other.end();
    await ended;
    expect(lines).toEqual(['{"a":"ä€😀"}', '', '{"b":1}']);
    expect(ends).toEqual(['closed']);
  });

  test.each([
    ['in one piece', ['x'.repeat(MOST)]],
    ['in many', Array.from({ length: 20 }, () => 'x'.repeat(60))],
    ['after a short one', [`short\n${'x'.repeat(MOST)}\nlater\n`]],
  ])('gives up a line that is too long, and hears nothing after it: %s', async (_how, writes) => {
    const { other, lines, ends, ended } = await open();
    for (const text of writes) other.write(text);
    await ended;
    expect(lines.filter((line) => line !== 'short')).toEqual([]);
    other.end('more\n');
    await once(other, 'finish');
    expect(ends).toEqual(['too-long']);
  });

  test('says nothing that is too long, and says so', async () => {
    const { channel, other } = await open();
    expect(channel.say({ text: 'x'.repeat(MOST) })).toBe(false);
    expect(channel.say({ text: '€'.repeat(MOST / 3) })).toBe(false);
    expect(channel.say({ text: 'short' })).toBe(true);
    const [chunk] = (await once(other, 'data')) as [Buffer];
    expect(chunk.toString()).toBe('{"text":"short"}\n');
  });

  test('may speak to somebody who has gone', async () => {
    const { channel, other, ends, ended } = await open();
    other.resetAndDestroy();
    await ended;
    expect(channel.say({ text: 'hello?' })).toBe(true);
    expect(ends).toEqual(['closed']);
  });

  test('finishes with all that it has said', async () => {
    const { channel, other } = await open();
    channel.say(1);
    channel.say(2);
    const finished = channel.finish();
    const chunks: Buffer[] = [];
    other.on('data', (chunk: Buffer) => chunks.push(chunk));
    other.on('end', () => other.end());
    await finished;
    await once(other, 'close');
    expect(Buffer.concat(chunks).toString()).toBe('1\n2\n');
  });
});

test('a line that is no JSON says nothing', () => {
  expect(parseLine('{"a":')).toBeUndefined();
  expect(parseLine('null')).toBeNull();
});
