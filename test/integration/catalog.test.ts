import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { Catalog, loadCatalog } from '../../src/queue/catalog.ts';
import { defineJob } from '../../src/queue/job.ts';
import { REAL_JOBS } from '../support/producer-side.ts';

let folder: string;

beforeEach(async () => {
  // Inside the project, so that a definition finds its imports as the real ones do.
  folder = await mkdtemp(join(REAL_JOBS, '..', 'test', 'fixtures', 'tmp-jobs-'));
});

afterEach(() => rm(folder, { recursive: true }));

const definition = (name: string, more = '') => `
  import { z } from 'zod';
  import { defineJob } from '../../../../src/queue/job.ts';
  export default defineJob({
    name: '${name}', about: 'A test.', payload: z.strictObject({ n: z.int() }), result: z.null(), example: { n: 1 },
    ${more}
    async run() { return null; },
  });`;

const write = async (path: string, source: string) => {
  await mkdir(join(folder, path, '..'), { recursive: true });
  await writeFile(join(folder, path), source);
};

describe('loadCatalog', () => {
  test('finds the definitions of the service', async () => {
    const catalog = await loadCatalog(REAL_JOBS);
    expect(catalog.all.map(({ name }) => name)).toContain('learning.process-edit');
    expect(catalog.queues).toEqual(['ai', 'analytics', 'cleanup', 'email', 'learning', 'media']);
  });

  test.each([
    [
      'a name that is not its path',
      'learning/a.ts',
      definition('learning.b'),
      /learning\/a\.ts.*path says "learning\.a"/,
    ],
    ['no definition', 'learning/a.ts', 'export default 1;', /a\.ts: has no definition/],
    ['a file that does not load', 'learning/a.ts', 'export default ](', /a\.ts: cannot be loaded/],
    [
      'an unknown event',
      'learning/a.ts',
      definition('learning.a', `on: { event: 'profile.exploded', payload: () => ({ n: 1 }) } as never,`),
      /unknown event "profile\.exploded"/,
    ],
    [
      'an example that does not fit',
      'learning/a.ts',
      definition('learning.a').replace('n: 1', "n: 'x'"),
      /its example does not fit/,
    ],
    ['a bad name', 'Learning/A.ts', definition('Learning.A'), /is not like queue\.verb-object/],
    [
      'an isolated job that gathers',
      'learning/a.ts',
      definition('learning.a', `isolated: true, collect: () => 'key',`),
      /is isolated and gathers its requests\. Drop `collect`/,
    ],
    ['attempts out of range', 'learning/a.ts', definition('learning.a', 'attempts: 26,'), /attempts must be 1–25/],
  ])('%s stops the boot with the file and the cure', async (_what, path, source, message) => {
    await write(path, source);
    await expect(loadCatalog(folder)).rejects.toThrow(message);
  });

  test('two definitions of one name stop the boot', async () => {
    await write('learning/a.ts', definition('learning.a'));
    await write('learning/b.ts', definition('learning.b', `formerly: ['learning.a'],`));
    await expect(loadCatalog(folder)).rejects.toThrow(/learning\.a: is the name of two definitions/);
  });

  test('an empty folder stops the boot', async () => {
    await expect(loadCatalog(folder)).rejects.toThrow(/holds no job definitions/);
  });

  test('says everything that is wrong at once', async () => {
    await write('learning/a.ts', 'export default 1;');
    await write('learning/b.ts', definition('learning.c'));
    await expect(loadCatalog(folder)).rejects.toThrow(/a\.ts[\s\S]*b\.ts/);
  });
});

test('an unknown job names the nearest one', () => {
  const job = defineJob({
    name: 'learning.process-edit',
    about: 'x',
    payload: z.object({}),
    result: z.null(),
    example: {},
    run: async () => null,
  });
  const catalog = new Catalog([job]);
  expect(() => catalog.get('learning.proces-edit')).toThrow('Did you mean learning.process-edit?');
  expect(() => catalog.get('quite.different')).toThrow(/^There is no job "quite.different"\.$/);
});
