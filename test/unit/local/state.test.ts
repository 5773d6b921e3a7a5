import { statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { freePort } from '../../../src/local/ports.ts';
import { identify } from '../../../src/local/processes.ts';
import { type LocalState, NOTHING_RUNS, readLocalState, readState, writeState } from '../../../src/local/state.ts';
import { testFolder } from './folder.ts';

const us = identify(process.pid);
const somebodyDead = { pid: process.pid, mark: 'another time' };

/** A server that accepts connections, for as long as the test runs; its port. */
async function listener(): Promise<number> {
  const server = createServer((socket) => socket.end());
  onTestFinished(() => void server.close());
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return port;
}

async function environmentOf(state: Partial<LocalState>) {
  const folder = testFolder();
  await writeState(folder, { ...NOTHING_RUNS, supervisor: us, ...state });
  return readLocalState(folder);
}

describe('the state file', () => {
  it('is readable by its owner only', async () => {
    const folder = testFolder();
    await writeState(folder, NOTHING_RUNS);
    expect(statSync(join(folder, 'state.json')).mode & 0o777).toBe(0o600);
  });

  it('comes back as it was written', async () => {
    const folder = testFolder();
    const state = { ...NOTHING_RUNS, boardPassword: 'a long password', environment: { AUTH: 'off' } };
    await writeState(folder, state);
    expect(await readState(folder)).toEqual(state);
  });

  it.each(['', '{', '[]', '{"stores":{"OTHER":{"url":"x"}}}'])('that holds %j counts as none', async (text) => {
    const folder = testFolder();
    writeFileSync(join(folder, 'state.json'), text);
    expect(await readState(folder)).toEqual(NOTHING_RUNS);
  });
});

describe('a process started by hand', () => {
  it('gets the stores that answer and the local defaults', async () => {
    const url = `redis://:secret@127.0.0.1:${await listener()}`;
    const environment = { AUTH: 'off' };
    expect(await environmentOf({ stores: { REDIS_URL: { url, process: us } }, environment })).toEqual({
      REDIS_URL: url,
      AUTH: 'off',
    });
  });

  it('gets a store that the user named, too', async () => {
    const url = `postgres://me@localhost:${await listener()}/db`;
    expect(await environmentOf({ stores: { DATABASE_URL: { url } } })).toEqual({ DATABASE_URL: url });
  });

  it('is not sent to a store that does not answer', async () => {
    const url = `redis://127.0.0.1:${await freePort()}`;
    expect(await environmentOf({ stores: { REDIS_URL: { url, process: us } } })).toEqual({});
  });

  it('is not sent to another program that has taken the port of a store', async () => {
    const url = `redis://127.0.0.1:${await listener()}`;
    expect(await environmentOf({ stores: { REDIS_URL: { url, process: somebodyDead } } })).toEqual({});
  });

  it('gets nothing, and above all no AUTH=off, when no npm start runs', async () => {
    const environment = { AUTH: 'off' };
    expect(await environmentOf({ supervisor: somebodyDead, environment })).toEqual({});
    expect(await readLocalState(testFolder())).toEqual({});
  });
});
