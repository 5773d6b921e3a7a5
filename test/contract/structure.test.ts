/** The shape of the code: the figures that must always hold, and proof that each way of measuring can fail. */

import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Figure, hasBannedName, holds, measureStructure } from '../support/structure.ts';
import { countAny, longestFunction, readsEnvironment, skippedIn, sleepsIn } from '../support/structure-syntax.ts';
import { plantTree, removeTree } from '../support/structure-tree.ts';

const HELD = [
  'import cycles, type imports included',
  'any, and directives that silence the compiler',
  'banned names in paths',
  'arrows broken',
];

describe('the source tree', () => {
  let figures: readonly Figure[];

  beforeAll(async () => {
    figures = await measureStructure(join(import.meta.dirname, '../..'));
  });

  it.each(HELD)('has none: %s', (name) => {
    const figure = figures.find((each) => each.name === name);
    expect(figure?.places).toEqual([]);
  });

  it('was cruised whole', () => {
    const figure = figures.find(({ name }) => name.startsWith('source files not cruised'));
    expect(figure?.name).toMatch(/of [1-9]\d*$/);
    expect(figure?.places).toEqual([]);
  });
});

describe('the figures', () => {
  it('fail on a tree that breaks them all', async () => {
    const root = await plantTree(
      {
        'src/queue/hen.ts': "import type { Egg } from './egg.ts';",
        'src/queue/egg.ts': "import type { Hen } from './hen.ts';",
        'src/redis/helpers.ts': 'export const loose = (value: any) => value;',
        'src/resources.ts': "import './redis/helpers.ts'; export const home = process.env.HOME;",
        'src/http/routes/v1/jobs.ts': `${'// a line\n'.repeat(301)}`,
        'src/http/app.ts': `${'// a line\n'.repeat(101)}`,
        'src/http/body.ts': `${'// a line\n'.repeat(101)}`,
        'src/unread.mts': 'export {};',
        'workers/run-job.ts': `export function runJob() {\n${'  step();\n'.repeat(60)}}\n`,
        'test/unit/slow.test.ts': "test.skip('waits', () => new Promise((done) => setTimeout(done, 10)));",
        ...Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`src/noun-${i}.ts`, '// a line\n'.repeat(101)])),
      },
      { installed: [], development: [] },
    );
    try {
      const figures = await measureStructure(root);
      expect(figures.filter(holds)).toEqual([]);
    } finally {
      await removeTree(root);
    }
  });

  it('count any as a type, not as a word', () => {
    expect(countAny('const a: any = b as any; type C = Array<any>; function d<T = any>(x: T[]): any {}')).toBe(5);
    expect(countAny("/** any */ const any = 'any'; const { anyOf } = any;")).toBe(0);
  });

  it.each(['process.env.HOME', "process['env']", "import { env } from 'node:process'"])(
    'see the environment read by %s',
    (text) => {
      expect(readsEnvironment(text)).toBe(true);
    },
  );

  it('see no environment in a comment or a string', () => {
    expect(readsEnvironment("// process.env\nconst text = 'process.env';")).toBe(false);
  });

  it.each([
    'setTimeout(done, 5)',
    'await pause(5)',
    'await sleep(5)',
    "import { setTimeout } from 'node:timers/promises'",
  ])('see a sleep in %s', (text) => {
    expect(sleepsIn(text)).toHaveLength(1);
  });

  it('see no sleep in pausing a queue or faking a timer', () => {
    expect(sleepsIn("await queue.pause(); vi.useFakeTimers({ toFake: ['setTimeout'] });")).toEqual([]);
  });

  it.each(["test.skip('x')", "describe.concurrent.only('x')", "it.todo('x')", "test.runIf(hasBrowser)('x')"])(
    'see a test that may not run in %s',
    (text) => {
      expect(skippedIn(text)).toHaveLength(1);
    },
  );

  it('let a test depend on who runs it', () => {
    expect(skippedIn("it.runIf(process.getuid?.() === 0)('drops to its own user')")).toEqual([]);
  });

  it('measure the longest function, in lines, whatever stands before it', () => {
    const text =
      '/** é */\nimport a from "a";\nfunction b() {\n  return 1;\n}\nclass C {\n  #d() {\n    a();\n    b();\n  }\n}\n';
    expect(longestFunction(text)).toBe(4);
  });

  it.each([
    'src/utils/text.ts',
    'src/string-util.ts',
    'test/support/test-helpers.ts',
    'src/queue/index.ts',
    'src/types.d.ts',
  ])('refuse the path %s', (path) => {
    expect(hasBannedName(path)).toBe(true);
  });

  it.each(['src/database/schema.ts', 'src/http/content-types.ts', 'workers/run-job.ts', 'test/unit/library.test.ts'])(
    'accept the path %s',
    (path) => {
      expect(hasBannedName(path)).toBe(false);
    },
  );
});
