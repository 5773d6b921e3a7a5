import { PassThrough } from 'node:stream';
import { finished } from 'node:stream/promises';
import { expect, test } from 'vitest';
import { createLogger } from '../../../../src/logger.ts';
import { PrintedLines } from '../../../../workers/isolation/printed-lines.ts';

function printer() {
  const lines: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
  const logger = createLogger({ level: 'info', role: 'worker', destination });
  const stream = new PassThrough();
  const printed = new PrintedLines({ streams: [stream], logger });
  return { lines, stream, printed };
}

test('a line of a logger keeps its level, fields and text; who and when are the worker’s', async () => {
  const { lines, stream, printed } = printer();
  printed.bind({ jobId: 'a' });
  stream.end('{"level":"warn","time":"1970","pid":1,"role":"web","n":2,"password":"hunter2","msg":"look"}\n');
  await finished(stream);
  expect(lines).toEqual([
    {
      level: 'warn',
      role: 'worker',
      pid: process.pid,
      time: expect.not.stringContaining('1970'),
      jobId: 'a',
      n: 2,
      password: '[redacted]',
      msg: 'look',
    },
  ]);
});

test('anything else is logged as text, cut to 4,000 characters', async () => {
  const { lines, stream } = printer();
  stream.end(`{"level":"loud"}\n\nplain\n${'x'.repeat(9000)}\nno end`);
  await finished(stream);
  expect(lines.map(({ line }) => line)).toEqual(['{"level":"loud"}', 'plain', 'x'.repeat(4000), 'no end']);
});

test('of a child that prints much, 256 KB are logged, and that the rest is dropped', async () => {
  const { lines, stream } = printer();
  const line = `${'x'.repeat(999)}\n`;
  stream.end(line.repeat(400));
  await finished(stream);
  const bytes = lines.reduce((sum, { line: text }) => sum + String(text ?? '').length, 0);
  expect(bytes).toBeLessThan(400_000);
  expect(lines.filter(({ msg }) => String(msg).includes('the rest is dropped'))).toHaveLength(1);
});
