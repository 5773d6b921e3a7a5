/** What every model promises, on the real one and the scripted one; then the real one against all that can go wrong. */

import { once } from 'node:events';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { ChatModel } from '../../../src/providers/chat-model.ts';
import type { Model, ModelMessage } from '../../../src/providers/model.ts';
import {
  answerWith,
  type Behaviour,
  beginStream,
  eventOf,
  type ModelServer,
  pieceOf,
  refuseWith,
  startModelServer,
} from '../../support/model-server.ts';
import { refusalsWith } from '../../support/provider-refusals.ts';
import { ScriptedModel } from '../../support/scripted-model.ts';

const HELLO: ModelMessage[] = [
  { role: 'system', content: 'Be kind.' },
  { role: 'user', content: 'Hello?' },
];
const TIMES = { firstByteMs: 300, idleMs: 300, totalMs: 1500 };
const never = new AbortController().signal;

let server: ModelServer;
beforeAll(async () => {
  server = await startModelServer();
});
afterAll(() => server.close());
beforeEach(() => server.behave(answerWith(['Hello', ' there.'])));

const real = (options: Partial<ConstructorParameters<typeof ChatModel>[0]> = {}) =>
  new ChatModel({ baseUrl: server.url, name: 'test-model', apiKey: 'sk-secret', times: TIMES, ...options });

/** The same script for both: pieces, a wait that never ends, or a failure. */
const MODELS: [string, (pieces: readonly string[] | 'silence' | 'failure') => Model][] = [
  [
    'the chat model',
    (pieces) => {
      if (pieces === 'silence') server.behave(() => {});
      else if (pieces === 'failure') server.behave(refuseWith(500));
      else server.behave(answerWith(pieces));
      return real();
    },
  ],
  [
    'the scripted model',
    (pieces) =>
      new ScriptedModel(() => {
        if (pieces === 'silence') return new Promise(() => {});
        if (pieces === 'failure') return new AppError('provider-failed', 'It is broken.');
        return pieces;
      }),
  ],
];

describe.each(MODELS)('%s', (_name, make) => {
  it('answers whole, tells each piece as it comes, and counts tokens', async () => {
    const heard: string[] = [];
    const reply = await make(['Good', ' day', ' to you.']).reply(HELLO, {
      signal: never,
      onToken: (piece) => heard.push(piece),
    });
    expect(reply.text).toBe('Good day to you.');
    expect(heard.join('')).toBe('Good day to you.');
    expect(reply.promptTokens).toBeGreaterThan(0);
    expect(reply.completionTokens).toBeGreaterThan(0);
  });

  it('ends with the reason of the signal, at once', async () => {
    const ending = new AbortController();
    const answer = make('silence').reply(HELLO, { signal: ending.signal });
    ending.abort(new AppError('shutting-down', 'The worker is stopping.'));
    await expect(answer).rejects.toMatchObject({ code: 'shutting-down' });
    const late = make(['x']).reply(HELLO, { signal: AbortSignal.abort(new Error('gone')) });
    await expect(late).rejects.toThrow('gone');
  });

  it('says that it failed, and never gives an empty answer', async () => {
    await expect(make('failure').reply(HELLO, { signal: never })).rejects.toMatchObject({ code: 'provider-failed' });
    await expect(make(['  ', '\n']).reply(HELLO, { signal: never })).rejects.toMatchObject({ code: 'provider-failed' });
  });

  it('is available', async () => {
    const model = make(['x']);
    expect(model.configured).toBe(true);
    expect(await model.status()).toBe('available');
  });
});

describe.each<[string, Model]>([
  ['the chat model', new ChatModel({ baseUrl: undefined, name: 'x' })],
  ['the scripted model', new ScriptedModel(() => [], false)],
])('%s without an endpoint', (_name, model) => {
  it('says so, for good', async () => {
    expect(model.configured).toBe(false);
    expect(await model.status()).toBe('not configured');
    const refused = model.reply(HELLO, { signal: never });
    await expect(refused).rejects.toMatchObject({ code: 'provider-not-configured', retry: 'never' });
  });
});

describe('the request', () => {
  it('names the model, asks for a stream with its tokens, and carries the key', async () => {
    await real({ maxTokens: 50 }).reply(HELLO, { signal: never });
    const call = server.calls.at(-1);
    expect(call?.authorization).toBe('Bearer sk-secret');
    expect(call?.body).toEqual({
      model: 'test-model',
      messages: HELLO,
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: 50,
    });
  });

  it('leaves out the key and the most tokens where there are none', async () => {
    const reply = await real({ apiKey: undefined, baseUrl: `${server.url}//` }).reply(HELLO, { signal: never });
    expect(reply).toEqual({ text: 'Hello there.', promptTokens: 11, completionTokens: 7 });
    expect(server.calls.at(-1)?.authorization).toBeUndefined();
    expect(server.calls.at(-1)?.body).not.toHaveProperty('max_tokens');
  });
});

/** Streams that are whole, however they are written. */
const WHOLE: [what: string, parts: readonly (string | Buffer)[], text: string][] = [
  ['with CRLF', [pieceOf('a').replaceAll('\n', '\r\n'), pieceOf('b', 'stop').replaceAll('\n', '\r\n')], 'ab'],
  ['with CR', [pieceOf('a').replaceAll('\n', '\r'), pieceOf('b', 'stop').replaceAll('\n', '\r'), ': end\n'], 'ab'],
  ['with comments and other fields', [': ping\n\nevent: x\nid: 1\nretry: 5\n', pieceOf('a', 'stop')], 'a'],
  ['without spaces', [pieceOf('a').replace('data: ', 'data:'), eventOf('[DONE]')], 'a'],
  [
    'with an event over two lines',
    ['data: {"choices":[{"delta":\ndata: {"content":"a"}}]}\n\n', eventOf('[DONE]')],
    'a',
  ],
  ['with pieces that are null', [eventOf({ choices: [{ delta: { content: null } }] }), pieceOf('a', 'length')], 'a'],
  ['without a goodbye, but finished', [pieceOf('a'), pieceOf('', 'stop')], 'a'],
  ['that goes on after its goodbye', [pieceOf('a'), eventOf('[DONE]'), 'data: {"broken\n\n'], 'a'],
  ['with a character cut in two', cutInTwo(pieceOf('é€😀', 'stop')), 'é€😀'],
  ['with NUL and half a pair', [pieceOf('a\0b\ud83d', 'stop')], 'ab\ufffd'],
];

function cutInTwo(text: string): Buffer[] {
  return [...Buffer.from(text)].map((byte) => Buffer.from([byte]));
}

const writing =
  (parts: readonly (string | Buffer)[], end: (response: Parameters<Behaviour>[1]) => void): Behaviour =>
  (_call, response) => {
    beginStream(response);
    for (const part of parts) response.write(part);
    end(response);
  };

describe('a stream', () => {
  it.each(WHOLE)('%s is read to its end', async (_what, parts, text) => {
    server.behave(writing(parts, (response) => response.end()));
    expect((await real().reply(HELLO, { signal: never })).text).toBe(text);
  });

  it('without a count of tokens has them estimated', async () => {
    server.behave(writing([pieceOf('12345678', 'stop')], (response) => response.end()));
    const reply = await real().reply(HELLO, { signal: never });
    expect(reply).toMatchObject({ promptTokens: 4, completionTokens: 2 });
  });
});

const garbage: Behaviour = async (call, response) => {
  beginStream(response);
  const gone = once(call.gone, 'abort');
  const block = Buffer.alloc(256 * 1024, 'x');
  for (let sent = 0; sent < 1024 ** 3 && !call.gone.aborted; sent += block.length) {
    if (!response.write(block)) {
      await Promise.race([once(response, 'drain'), gone]);
    }
  }
  response.end();
};

const gibberish: Behaviour = async (call, response) => {
  beginStream(response);
  const gone = once(call.gone, 'abort');
  const block = Buffer.from(`: ${'x'.repeat(1000)}\n`.repeat(200));
  while (!call.gone.aborted) {
    if (!response.write(block)) {
      await Promise.race([once(response, 'drain'), gone]);
    }
  }
};

/** What goes wrong, and what it means. */
const FAILURES: [what: string, behaviour: Behaviour, expected: Record<string, unknown>][] = [
  ['a refusal of a megabyte', refuseWith(500, {}, 'x'.repeat(1_000_000)), { code: 'provider-failed' }],
  ['a refusal cut in the middle', cutRefusal, { code: 'provider-busy' }],
  ['a refusal that never ends', endlessRefusal, { code: 'provider-refused' }],
  ['200 with a page', refuseWith(200, { 'content-type': 'text/html' }, '<html>'), { code: 'provider-failed' }],
  [
    '200 with JSON',
    refuseWith(200, {}, '{"choices":[{"message":{"content":"no stream"}}]}'),
    { code: 'provider-failed' },
  ],
  ['a hang-up before the answer', (_call, response) => void response.destroy(), { code: 'provider-failed' }],
  ['a stream cut by a hang-up', writing([pieceOf('half a')], hangUpSoon), { code: 'provider-failed' }],
  ['a stream cut by its end', writing([pieceOf('half a')], (response) => response.end()), { code: 'provider-failed' }],
  [
    'an event cut by its end',
    writing([pieceOf('half').slice(0, -9)], (response) => response.end()),
    { code: 'provider-failed' },
  ],
  ['a stream that is empty', writing([], (response) => response.end()), { code: 'provider-failed' }],
  ['a goodbye alone', writing([eventOf('[DONE]')], (response) => response.end()), { code: 'provider-failed' }],
  [
    'an error in the stream',
    writing([pieceOf('a'), eventOf({ error: { message: 'overloaded' } })], (r) => r.end()),
    { code: 'provider-failed' },
  ],
  ['an event that is no JSON', writing(['data: {{{\n\n'], (response) => response.end()), { code: 'provider-failed' }],
  [
    'an event of another kind',
    writing([eventOf({ choices: 'none' })], (response) => response.end()),
    { code: 'provider-failed' },
  ],
  [
    'tokens below zero',
    writing([eventOf({ usage: { prompt_tokens: -1, completion_tokens: 1 } })], (r) => r.end()),
    { code: 'provider-failed' },
  ],
  [
    'a million million tokens',
    writing([eventOf({ usage: { prompt_tokens: 1e12, completion_tokens: 1 } })], (r) => r.end()),
    { code: 'provider-failed' },
  ],
  ['a filter', writing([pieceOf('', 'content_filter')], (response) => response.end()), { code: 'provider-refused' }],
  ['silence', () => {}, { code: 'provider-failed', message: expect.stringContaining('begin to answer') }],
  [
    'silence in the middle',
    writing([pieceOf('a')], () => {}),
    { code: 'provider-failed', message: expect.stringContaining('nothing for') },
  ],
  ['a trickle without end', trickle, { code: 'provider-failed', message: expect.stringContaining('within 1500 ms') }],
  ['1 GB in one line', garbage, { code: 'provider-failed', message: expect.stringContaining('cut off') }],
  [
    'lines without end',
    gibberish,
    { code: 'provider-failed', message: expect.stringMatching(/cut off|within 1500 ms/) },
  ],
  [
    '150,000 characters of text',
    writing(
      [...Array(3)].map(() => pieceOf('x'.repeat(50_000))),
      (r) => r.end(),
    ),
    { code: 'provider-failed' },
  ],
];

function cutRefusal(_call: Parameters<Behaviour>[0], response: Parameters<Behaviour>[1]): void {
  response.writeHead(429, { 'content-length': '1000' }).write('{"error":', () => response.destroy());
}

function endlessRefusal(_call: Parameters<Behaviour>[0], response: Parameters<Behaviour>[1]): void {
  response.writeHead(401).write('{"error":');
}

function hangUpSoon(response: Parameters<Behaviour>[1]): void {
  response.write(': last\n', () => response.destroy());
}

async function trickle(call: Parameters<Behaviour>[0], response: Parameters<Behaviour>[1]): Promise<void> {
  beginStream(response);
  const timer = setInterval(() => response.write(pieceOf('a')), 50);
  call.gone.addEventListener('abort', () => clearInterval(timer));
}

describe('a failure', () => {
  it.each(FAILURES)('%s is told as what it is', async (_what, behaviour, expected) => {
    server.behave(behaviour);
    const before = process.memoryUsage().rss;
    const error = await real()
      .reply(HELLO, { signal: never })
      .then(
        (reply) => ({ reply }),
        (reason: unknown) => reason,
      );
    expect(error).toBeInstanceOf(AppError);
    expect(error).toMatchObject(expected);
    expect(String(error)).not.toContain('sk-secret');
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1024 * 1024);
    await expect.poll(() => server.calls.at(-1)?.gone.aborted).toBe(true);
  });

  it.each(refusalsWith('sk-secret'))('%s of the service itself says whose fault it is', async (_what, refusal) => {
    const { status, headers, body, says, ...means } = refusal;
    server.behave(refuseWith(status, headers, body));
    const told = says.replace('{url}', 'AI_BASE_URL').replace('{key}', 'AI_API_KEY').replace('{model}', 'AI_MODEL');
    const message = `The provider answered ${told}`;
    const before = server.calls.length;
    await expect(real().reply(HELLO, { signal: never })).rejects.toMatchObject({ ...means, message });
    expect(server.calls.length).toBe(before + 1);
  });

  it('of nobody listening is told, by the reply and the status', async () => {
    const gone = await startModelServer();
    await gone.close();
    const model = real({ baseUrl: gone.url });
    await expect(model.reply(HELLO, { signal: never })).rejects.toMatchObject({ code: 'provider-failed' });
    expect(await model.status()).toBe('unavailable');
  });

  it('does not keep the next call from being answered', async () => {
    expect((await real().reply(HELLO, { signal: never })).text).toBe('Hello there.');
  });
});
