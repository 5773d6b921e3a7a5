/** The arrow rules can fail: each is broken on purpose in a small tree, and what the plan allows passes. */

import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { IConfiguration } from 'dependency-cruiser';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Arrows, followArrows } from '../support/structure-arrows.ts';
import { plantTree, removeTree } from '../support/structure-tree.ts';

const require = createRequire(import.meta.url);
const config: IConfiguration = require('../../.dependency-cruiser.cjs');
const rules = (config.forbidden ?? []).map(({ name, comment }) => ({ name: name ?? '', comment: comment ?? '' }));

const DOOR = 'one-door-for-';
const libraries = rules.flatMap(({ name }) => (name.startsWith(DOOR) ? [name.slice(DOOR.length)] : []));

/** Rule to the file that breaks it and the text that does. */
const BROKEN: Record<string, readonly [file: string, text: string]> = {
  'no-cycles': ['src/queue/egg.ts', "import type { Hen } from './hen.ts';"],
  'down-only-from-edges': ['src/http/app.ts', "import '../server.ts';"],
  'down-only-from-composition': ['src/services.ts', "import type { App } from './http/app.ts';"],
  'down-only-from-mechanisms': ['src/events/publisher.ts', "import type { Services } from '../services.ts';"],
  'down-only-from-capabilities': ['src/cache.ts', "import type { Queues } from './queue/queues.ts';"],
  'down-only-from-stores': ['src/redis/breaker.ts', "import '../cache.ts';"],
  'down-only-from-ground': ['src/config.ts', "import './redis/keys.ts';"],
  'src-imports-no-jobs-or-workers': ['src/cli/main.ts', "import type { Row } from '../../workers/pools.ts';"],
  'jobs-are-loaded-not-imported': ['workers/main.ts', "import '../jobs/media/resize.ts';"],
  'jobs-import-inert-things': ['jobs/media/resize.ts', "import { readFile } from 'node:fs/promises';"],
  'pure-domain-does-no-io': ['src/profiles/style.ts', "import '../redis/keys.ts';"],
  'capabilities-stand-alone:values': ['src/locks.ts', "import { Cache } from './cache.ts';"],
  'capability-folders-stand-alone:values': ['src/access/keys.ts', "import { style } from '../profiles/style.ts';"],
  'queue-knows-nothing-of-accepting': ['src/queue/job.ts', "import type { Relay } from '../accepting/relay.ts';"],
  'every-library-has-a-door': ['src/logger.ts', "import 'left-pad';"],
  'heavy-libraries-load-on-first-use:values': ['src/profiles/words.ts', "import nlp from 'wink-nlp';"],
  'no-development-libraries': ['src/errors.ts', "import 'vitest';"],
  'libraries-are-declared': ['src/lifecycle.ts', "import 'left-pad';"],
  'no-tests-in-production': ['src/http/problem.ts', "import '../../test/support/world.ts';"],
  'imports-exist': ['src/http/missing.ts', "import './nowhere.ts';"],
  ...Object.fromEntries(
    libraries.map((name) => [`${DOOR}${name}`, ['src/resources.ts', `import '${name}';`]] as const),
  ),
};

const ALLOWED = {
  'src/server.ts': "import './services.ts'; import './http/app.ts';",
  'src/services.ts': "import './cache.ts'; import './locks.ts'; import './queue/queues.ts'; import './config.ts';",
  'src/http/app.ts': "import express from 'express'; import type { Services } from '../services.ts';",
  'src/queue/queues.ts': "import { Queue } from 'bullmq'; import '../cache.ts'; import '../redis/keys.ts';",
  'src/cache.ts': "import type { Locks } from './locks.ts'; import './redis/keys.ts';",
  'src/locks.ts': "import Redlock from 'redlock';",
  'src/access/keys.ts': "import type { Profiles } from '../profiles/profiles.ts'; import './hashes.ts';",
  'src/profiles/profiles.ts': "import { sql } from 'kysely'; import './style.ts'; import '../database/ledger.ts';",
  'src/profiles/style.ts':
    "import { z } from 'zod'; import type { Nlp } from 'wink-nlp'; const load = () => import('wink-nlp');",
  'workers/main.ts': "import './run-job.ts'; import '../src/services.ts';",
  'workers/run-job.ts': "import { Worker } from 'bullmq'; import '../src/queue/queues.ts';",
  'jobs/media/resize.ts':
    "import { z } from 'zod'; import '../../src/queue/job.ts'; import '../../src/profiles/style.ts';",
};

describe('the arrow rules', () => {
  let root: string;
  let broken: Arrows;

  beforeAll(async () => {
    const files: Record<string, string> = { 'src/queue/hen.ts': "import type { Egg } from './egg.ts';" };
    for (const [file, text] of Object.values(BROKEN)) files[file] = `${files[file] ?? ''}${text}\n`;
    files['src/queue/hidden.ts'] = "export type Hidden = import('./egg.ts').Egg[];";
    files['src/unread.mts'] = 'export {};';
    root = await plantTree(files, { installed: ['left-pad', ...libraries, 'zod'], development: ['vitest'] });
    broken = await followArrows(root);
  });

  afterAll(() => removeTree(root));

  it.each(rules)('break: $name', ({ name }) => {
    const [file] = BROKEN[name] ?? [`no example of ${name}: add one`];
    expect(broken.violations).toContainEqual(expect.objectContaining({ rule: name, from: file }));
  });

  it.each(rules)('say why: $name', ({ comment }) => {
    expect(comment).toMatch(/^.{30,}[.]$/);
  });

  it('have an example each, and no example is left over', () => {
    expect(Object.keys(BROKEN).sort()).toEqual(rules.map(({ name }) => name).sort());
  });

  it('report a file that the cruiser passes over', () => {
    expect(broken.violations).toContainEqual(
      expect.objectContaining({ rule: 'every-file-is-cruised', from: 'src/unread.mts' }),
    );
  });

  it('report an import that the cruiser does not see', () => {
    expect(broken.violations).toContainEqual(
      expect.objectContaining({ rule: 'every-import-is-followed', from: 'src/queue/hidden.ts' }),
    );
  });

  it('pass what the plan allows, type imports between capabilities included', async () => {
    const tree = await plantTree(ALLOWED, { installed: [...libraries, 'zod'], development: [] });
    try {
      expect((await followArrows(tree)).violations).toEqual([]);
    } finally {
      await removeTree(tree);
    }
  });

  it('fail on a tree without sources', async () => {
    await expect(followArrows(join(root, 'node_modules'))).rejects.toThrow('no sources');
  });
});
