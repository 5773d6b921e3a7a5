import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FAULTS, faultRows } from './fault-table.ts';
import { Seed } from './seed.ts';
import { chaosSettings, replayCommand } from './settings.ts';

const PAGE = join(import.meta.dirname, '..', '..', '..', 'docs', 'reliability.md');

test('docs/reliability.md shows every fault as it is', () => {
  const page = readFileSync(PAGE, 'utf8');
  const table = /<!-- faults -->\n([\s\S]*?)\n<!-- \/faults -->/.exec(page)?.[1];
  expect(table?.split('\n')).toEqual(faultRows());
});

test('faults have names of their own and outages of at most 5 s in CI', () => {
  expect(new Set(FAULTS.map(({ name }) => name)).size).toBe(FAULTS.length);
  for (const { doses } of FAULTS) {
    if (doses.unit === 'ms') expect(Math.max(...doses.short)).toBeLessThanOrEqual(5000);
    expect(doses.short.length * doses.long.length).toBeGreaterThan(0);
  }
});

test('a seed is read from the environment, and is in the command that plays a fault again', () => {
  const settings = chaosSettings({ CHAOS_SEED: '77', CHAOS_OUTAGES: 'long' });
  expect(replayCommand('redis-killed', settings)).toBe(
    'CHAOS_SEED=77 CHAOS_OUTAGES=long npm run test:chaos -- redis-killed',
  );
  expect(chaosSettings({}).outages).toBe('short');
  expect(() => chaosSettings({ CHAOS_SEED: 'x' })).toThrow('whole number');
  expect(() => chaosSettings({ CHAOS_OUTAGES: 'endless' })).toThrow('short or long');
});

test('the rows of a seed do not move one another', () => {
  const draw = (seed: Seed, name: string) => {
    const row = seed.row(name);
    return Array.from({ length: 5 }, () => row.next());
  };
  const alone = draw(new Seed(3), 'b');
  const seed = new Seed(3);
  draw(seed, 'a');
  expect(draw(seed, 'b')).toEqual(alone);
  expect(draw(seed, 'a')).not.toEqual(alone);
  expect(seed.part('x').value).not.toBe(seed.part('y').value);
});
