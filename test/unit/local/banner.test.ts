import { describe, expect, it } from 'vitest';
import { banner } from '../../../src/local/banner.ts';

const facts = {
  ports: [3001],
  host: '127.0.0.1',
  authentication: 'off',
  boardUser: 'admin',
  boardPassword: 'the-password',
  dataDir: '/srv/millrace/.data',
  processes: ['web.1', 'worker.1'],
  seconds: 1.26,
} as const;

describe('the banner', () => {
  it('names the API, the board with its login, the health page and the processes', () => {
    const text = banner(facts);
    expect(text).toContain('ready after 1.3 s: web.1, worker.1');
    expect(text).toMatch(/API +http:\/\/127\.0\.0\.1:3001\n/);
    expect(text).toMatch(/Board +http:\/\/127\.0\.0\.1:3001\/admin\/queues +user: admin +password: the-password/);
    expect(text).toContain('http://127.0.0.1:3001/health');
  });

  it('has a curl line with a body that is JSON', () => {
    const body = /curl -X POST \S+\/api\/content\/hello\/save-edits .* -d '(.*)'/.exec(banner(facts))?.[1];
    expect(Object.keys(JSON.parse(body ?? ''))).toEqual(['userId', 'originalText', 'editedText']);
  });

  it('lists every web process', () => {
    expect(banner({ ...facts, ports: [3001, 3002] })).toContain('http://127.0.0.1:3001  http://127.0.0.1:3002');
  });

  it('does not print a password that the user has set', () => {
    expect(banner({ ...facts, boardPassword: undefined })).toContain('password: your BOARD_PASSWORD');
  });

  it('gives an address that can be reached when any address is bound', () => {
    expect(banner({ ...facts, host: '0.0.0.0' })).toContain('http://127.0.0.1:3001/health');
    expect(banner({ ...facts, host: '::1' })).toContain('http://[::1]:3001/health');
  });

  it('asks for a key in the curl line when requests need one', () => {
    expect(banner({ ...facts, authentication: 'on' })).toContain("-H 'authorization: Bearer <key>'");
  });

  it('leaves the web addresses out when no web process runs', () => {
    expect(banner({ ...facts, ports: [] })).not.toContain('http');
  });
});
