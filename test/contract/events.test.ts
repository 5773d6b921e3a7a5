/** docs/events.md tells of every type of event, its version and its data, and of no other. */

import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { EVENTS } from '../../src/events/event.ts';
import { codesIn, readPage, type Table, tablesOf } from '../support/markdown.ts';

describe('docs/events.md', () => {
  let page: string;
  let tables: readonly Table[];

  beforeAll(async () => {
    page = await readPage('docs/events.md');
    tables = tablesOf(page);
  });

  it('has a section for every type, and for no other', () => {
    const sections = tables.map(({ heading }) => heading).filter((heading) => heading !== 'Envelope');
    expect(sections.sort()).toEqual(Object.keys(EVENTS).sort());
  });

  it.each(Object.entries(EVENTS))('gives the version of %s', (type, { version }) => {
    expect(page).toContain(`## ${type}\n\nVersion ${version}. `);
  });

  it.each(Object.entries(EVENTS))('gives the fields of %s with their types', (type, { data }) => {
    const rows = tables.find(({ heading }) => heading === type)?.rows ?? [];
    const documented = rows.map(([field = '', kind]) => [codesIn(field)[0], kind]);
    const properties = Object.entries(z.toJSONSchema(data).properties ?? {});
    expect(documented).toEqual(
      properties.map(([name, schema]) => [name, typeof schema === 'object' ? schema.type : undefined]),
    );
  });
});
