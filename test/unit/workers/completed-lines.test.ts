import { expect, test } from 'vitest';
import { createLogger } from '../../../src/logger.ts';
import { CompletedLines } from '../../../workers/completed-lines.ts';
import { eventually } from '../../support/millrace-process.ts';

const job = { id: 'probe_1', name: 'probe.run', data: { tenant: 'default', requestId: 'r1', payload: 'never told' } };

function start() {
  const written: Record<string, unknown>[] = [];
  const write = (line: string) => void written.push(JSON.parse(line));
  const logger = createLogger({ level: 'info', role: 'test', destination: { write } }).child({ queue: 'probe' });
  return { lines: new CompletedLines(logger), written };
}

test('a completed attempt is a line with its job, queue and time', () => {
  const { lines, written } = start();
  lines.write(job, 1000, 3);
  const told = { jobId: 'probe_1', job: 'probe.run', tenant: 'default', requestId: 'r1', runMs: 3 };
  expect(written).toMatchObject([{ msg: 'job completed', queue: 'probe', ...told }]);
  expect(JSON.stringify(written)).not.toContain('never told');
});

test('of more than 100 in one second the rest is counted, and the next second begins anew', () => {
  const { lines, written } = start();
  for (let each = 0; each < 250; each++) lines.write(job, 1000 + each, 3);
  expect(written).toHaveLength(100);
  lines.write(job, 2000, 3);
  expect(written).toHaveLength(101);
  lines.flush();
  lines.flush();
  expect(written.slice(101)).toMatchObject([{ msg: 'more jobs completed', jobs: 150 }]);
});

test('what was left out is told within a second by itself', async () => {
  const { lines, written } = start();
  for (let each = 0; each < 101; each++) lines.write(job, 1000, 3);
  await eventually(
    async () => written.at(-1),
    (line) => line?.msg === 'more jobs completed',
    5000,
  );
  expect(written.at(-1)).toMatchObject({ jobs: 1 });
});
