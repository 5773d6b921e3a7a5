import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { id } from '../../../src/queue/job.ts';
import { type Definition, RequestMaker, type RequestMakerOptions } from '../../load/requests.ts';

function definition(name: string, payload: z.ZodType, example: unknown): Definition {
  return { name, queue: name.split('.')[0] ?? '', example, payload: z.toJSONSchema(payload, { io: 'input' }) };
}

const editSchema = z.strictObject({ userId: id, contentId: id, text: z.string() });
const edit = definition('learning.edit', editSchema, { userId: 'ada', contentId: 'post-1', text: 'userId "ada"' });
const sweep = definition('cleanup.sweep', z.strictObject({}), {});

function maker(options: Partial<RequestMakerOptions> = {}): RequestMaker {
  const parts: RequestMakerOptions['parts'] = [
    { definition: edit, weight: 3 },
    { definition: sweep, weight: 1 },
  ];
  return new RequestMaker({ parts, seed: 5, bulk: 1, ids: 1000, ...options });
}

function payloads(requests: RequestMaker, count: number): Record<string, unknown>[] {
  return Array.from({ length: count }, () => JSON.parse(requests.next().body).payload);
}

describe('the requests', () => {
  it('come in the shares of the mix', () => {
    const requests = maker();
    const names = Array.from({ length: 4000 }, () => requests.next().job);
    const share = names.filter((name) => name === 'learning.edit').length / names.length;
    expect(share).toBeGreaterThan(0.72);
    expect(share).toBeLessThan(0.78);
  });

  it('are the example with other ids', () => {
    const requests = maker({ parts: [{ definition: edit, weight: 1 }] });
    const made = payloads(requests, 200);
    expect(made.every((payload) => editSchema.safeParse(payload).success)).toBe(true);
    expect(made.every(({ text }) => text === 'userId "ada"')).toBe(true);
    expect(new Set(made.map(({ userId }) => userId)).size).toBeGreaterThan(100);
    expect(requests.varied).toEqual({ 'learning.edit': ['userId', 'contentId'] });
  });

  it('are the same again with the same seed, and others with another', () => {
    const bodies = (seed: number) => {
      const requests = maker({ seed });
      return Array.from({ length: 100 }, () => requests.next().body);
    };
    expect(bodies(5)).toEqual(bodies(5));
    expect(bodies(5)).not.toEqual(bodies(6));
  });

  it('take as many ids as asked for, or another one each time', () => {
    const idsOf = (ids: number) => {
      const requests = maker({ parts: [{ definition: edit, weight: 1 }], ids });
      return new Set(payloads(requests, 500).map(({ userId }) => userId)).size;
    };
    expect(idsOf(1)).toBe(1);
    expect(idsOf(10)).toBe(10);
    expect(idsOf(0)).toBe(500);
  });

  it('hold as many jobs of one kind as asked for', () => {
    const requests = maker({ bulk: 3 });
    const { path, body, jobs, job } = requests.next();
    expect({ path, jobs }).toEqual({ path: '/v1/jobs/bulk', jobs: 3 });
    const list: { job: string }[] = JSON.parse(body).jobs;
    expect(list.map((each) => each.job)).toEqual([job, job, job]);
  });

  it('vary ids in objects and lists too, and leave alone what they do not know how to make', () => {
    const schema = z.strictObject({
      id: z.uuid(),
      author: z.strictObject({ id: z.int().max(50), name: z.string() }),
      tagIds: z.array(z.string().max(40)),
      shortId: z.string().max(4),
      kindId: z.enum(['a', 'b']),
      codeId: z.string().regex(/^[A-Z]{3}$/),
      idle: z.boolean(),
    });
    const nested = definition('a.b', schema, {
      id: '11111111-1111-4111-8111-111111111111',
      author: { id: 7, name: 'Ada' },
      tagIds: ['x', 'y'],
      shortId: 'abcd',
      kindId: 'a',
      codeId: 'ABC',
      idle: true,
    });
    const requests = maker({ parts: [{ definition: nested, weight: 1 }] });
    expect(requests.varied).toEqual({ 'a.b': ['id', 'author.id', 'tagIds.0', 'tagIds.1'] });
    for (const payload of payloads(requests, 300)) expect(schema.safeParse(payload).error?.issues ?? []).toEqual([]);
  });

  it('keep whatever else the example holds, also what looks like a mark', () => {
    const value = fc.oneof(fc.string(), fc.constantFrom('id-goes-here-5-0-', '"', '\\"id-goes-here'), fc.integer());
    fc.assert(
      fc.property(value, fc.nat(), (kept, seed) => {
        const kind = definition('a.b', z.looseObject({}), { kept, userId: 'ada' });
        const [payload] = payloads(maker({ parts: [{ definition: kind, weight: 1 }], seed }), 1);
        expect(payload?.kept).toEqual(kept);
        expect(payload?.userId).toMatch(/^load-/);
      }),
    );
  });
});
