import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Services } from '../../src/services.ts';
import { endAll, eventually, MillraceProcess } from '../support/millrace-process.ts';
import { picture } from '../support/pictures.ts';
import { finishedJob, REAL_JOBS, startProducerSide, stopProducerSide } from '../support/producer-side.ts';
import { createWorld, type World } from '../support/world.ts';

const VARIANTS = 12;

let world: World;
let services: Services;

beforeAll(async () => {
  world = await createWorld();
  services = await startProducerSide(world, REAL_JOBS);
});

afterEach(() => endAll());

afterAll(async () => {
  await stopProducerSide(services);
  await world.close();
});

const objects = async () => {
  const names = await readdir(join(world.config.MEDIA_DIR ?? '', 'files'), { recursive: true, withFileTypes: true });
  return names.filter((entry) => entry.isFile()).length;
};

describe('a worker that is killed while it makes pictures smaller', () => {
  test('counts against no job: another makes every variant, and none twice', async () => {
    const content = await picture({ width: 4000, height: 3000, format: 'jpeg' });
    const { file } = await services.media.add('default', [content], { origin: 'upload' });
    const doomed = new MillraceProcess('worker', { environment: world.environment });
    const payload = { fileId: file.id };
    const { id } = await services.producer.enqueue({ tenant: 'default', job: 'media.resize-image', payload });
    const look = () => services.inspector.job('default', id);
    await eventually(look, ({ progress }) => typeof progress === 'object' && progress !== null, 60_000);
    await doomed.end('SIGKILL');
    const killedAt = Date.now();
    expect(await look()).toMatchObject({ state: 'active' });

    const heir = new MillraceProcess('worker', { environment: world.environment });
    const view = await finishedJob(services, id, 90_000);
    expect(view).toMatchObject({ state: 'completed', attempts: { made: 1 } });
    expect(Date.parse(view.startedAt ?? '')).toBeGreaterThan(killedAt);
    const rows = await services.database.selectFrom('media_files').select(['id', 'object_key']).execute();
    expect(rows).toHaveLength(1 + VARIANTS);
    for (const row of rows) expect((await services.media.read('default', row.id)).content.length).toBeGreaterThan(0);
    // At most one object was between its bytes and its row; a sweep finds it a day later.
    expect(await objects()).toBeLessThanOrEqual(1 + VARIANTS + 1);
    await heir.end();
  });
});
