import { fork } from 'node:child_process';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';

const LINES = 1_000_000;
const BLOCK = 5000;
/** What the service may hold in JavaScript objects; it has 30 MB before the first line. */
const HEAP_MB = 80;

/** A service whose heap cannot grow beyond `HEAP_MB`. */
async function startService() {
  const execArgv = ['--import', 'tsx', `--max-old-space-size=${HEAP_MB}`];
  const child = fork(join(import.meta.dirname, 'line-service.ts'), { execArgv });
  const exited = once(child, 'exit');
  onTestFinished(async () => {
    child.disconnect();
    await exited;
  });
  const said = async () => (await Promise.race([once(child, 'message'), exited]))[0];
  const { port } = await said();
  const peakMb = async () => {
    child.send('memory');
    return (await said()).peakBytes / 1024 / 1024;
  };
  return { port: Number(port), peakMb };
}

it('a stream of 1,000,000 lines is taken and answered in the memory of a few thousand', async () => {
  const { port, peakMb } = await startService();
  const headers = { 'Content-Type': 'application/x-ndjson' };
  const request = httpRequest({ port, path: '/v1/jobs/stream', method: 'POST', headers });
  const block = `{"name":"${'n'.repeat(100)}"}\n`.repeat(BLOCK);
  const sending = (async () => {
    for (let sent = 0; sent < LINES; sent += BLOCK) {
      if (!request.write(block)) await once(request, 'drain');
    }
    request.end();
  })();
  const [response]: IncomingMessage[] = await once(request, 'response');
  let answers = 0;
  let last = '';
  for await (const piece of response?.setEncoding('utf8') ?? []) {
    const lines = (last + piece).split('\n');
    last = lines.pop() ?? '';
    answers += lines.length;
    if (lines.at(-1)?.startsWith('{"done"')) last = lines.at(-1) ?? '';
  }
  await sending;
  expect(JSON.parse(last)).toEqual({ done: true, lines: LINES, accepted: LINES, refused: 0 });
  expect(answers).toBe(LINES + 1);
  // The heap is bounded by the flag; buffers, which it does not count, are looked at here.
  expect(await peakMb()).toBeLessThan(HEAP_MB + 20);
}, 120_000);
