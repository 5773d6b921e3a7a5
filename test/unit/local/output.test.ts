import { describe, expect, it } from 'vitest';
import { Output, shorten } from '../../../src/local/output.ts';

const time = '2026-11-21T04:05:06.789Z';

describe('the output of npm start', () => {
  it('shortens a log line to time, level, message and fields', () => {
    const line = JSON.stringify({ level: 'info', time, role: 'web', pid: 7, port: 3001, msg: 'listening', job: 'a b' });
    expect(shorten(line)).toBe('04:05:06 info  listening port=3001 job="a b"');
  });

  it('shows the stack of an error', () => {
    const line = JSON.stringify({
      level: 'error',
      time,
      msg: 'failed',
      err: { message: 'x', stack: 'Error: x\n  at y' },
    });
    expect(shorten(line)).toBe('04:05:06 error failed err=Error: x\n  at y');
  });

  it('shows what there is of an error without a stack', () => {
    const err = { type: 'AggregateError', message: '', stack: '', code: 'ECONNREFUSED' };
    expect(shorten(JSON.stringify({ level: 'warn', time, msg: 'away', err }))).toContain('"code":"ECONNREFUSED"');
  });

  it.each(['hello', '{ not json', '{"level":30}', '[1]', ''])('passes %j on as it is', (line) => {
    expect(shorten(line)).toBe(line);
  });

  it('puts the name before every line, all names equally wide', () => {
    let text = '';
    const output = new Output(['web.1', 'learning.10'], (more) => {
      text += more;
    });
    output.line('web.1', 'one\ntwo');
    output.line('learning.10', 'three');
    expect(text).toBe('web.1       | one\nweb.1       | two\nlearning.10 | three\n');
  });
});
