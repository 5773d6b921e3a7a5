import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadLocalConfig } from '../../../src/config.ts';
import { parseProcfile, planProcesses } from '../../../src/local/procfile.ts';

describe('a Procfile', () => {
  it('has one command a line and skips comments and empty lines', () => {
    expect([...parseProcfile('# how to run\n\nweb: node web.js --port=1\r\nworker:   node w.js\n')]).toEqual([
      ['web', 'node web.js --port=1'],
      ['worker', 'node w.js'],
    ]);
  });

  it.each(['web node web.js', 'web:', 'Web: node web.js', ': node web.js'])(
    'refuses the line "%s" with its number',
    (line) => {
      expect(() => parseProcfile(`a: b\n${line}`)).toThrow('Procfile line 2');
    },
  );

  it('refuses a name that it has already', () => {
    expect(() => parseProcfile('web: a\nweb: b')).toThrow('names "web" a second time');
  });

  it('of this project has what FORMATION asks for by default', () => {
    const procfile = parseProcfile(readFileSync(new URL('../../../Procfile', import.meta.url), 'utf8'));
    const { FORMATION } = loadLocalConfig({}, {});
    expect(planProcesses(procfile, FORMATION).map(({ name, command }) => [name, command])).toEqual([
      ['web.1', 'node dist/src/server.js'],
      ['worker.1', 'node dist/workers/main.js'],
    ]);
  });
});

describe('FORMATION', () => {
  const procfile = parseProcfile('web: a\nworker: b\nlearning: c');

  it('runs as many of a kind as it says, in the order of the Procfile', () => {
    const names = planProcesses(procfile, 'worker=2,web=1').map(({ name }) => name);
    expect(names).toEqual(['web.1', 'worker.1', 'worker.2']);
  });

  it('runs none of what it does not name or sets to 0', () => {
    expect(planProcesses(procfile, 'web=0,learning=1')).toEqual([
      { name: 'learning.1', kind: 'learning', command: 'c' },
    ]);
  });

  it('refuses a name that the Procfile does not have, and tells which ones it has', () => {
    expect(() => planProcesses(procfile, 'web=1,wroker=3')).toThrow(
      'FORMATION: the Procfile has no "wroker". It has web, worker, learning.',
    );
  });

  it('refuses a name twice', () => {
    expect(() => planProcesses(procfile, 'web=1,web=2')).toThrow('names "web" twice');
  });

  it('refuses what is not name=number, naming the variable', () => {
    expect(() => loadLocalConfig({}, { FORMATION: 'worker:3' })).toThrow('FORMATION: must look like web=1,worker=3');
  });
});
