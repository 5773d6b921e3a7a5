import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError, ERRORS, type ErrorCode } from '../../../src/errors.ts';
import { clipped, problemDocument, problemHeaders, toAppError } from '../../../src/http/problem.ts';

const documentOf = (error: AppError) => JSON.parse(problemDocument(error, 'r-1'));

describe('problem documents', () => {
  it('carry the row of the table and the occurrence', () => {
    const problems = [{ pointer: '/tags/3', message: 'must be a text' }];
    expect(documentOf(new AppError('invalid-input', 'The body is wrong.', { problems }))).toEqual({
      type: '/errors/invalid-input',
      title: ERRORS['invalid-input'].title,
      status: 422,
      detail: 'The body is wrong.',
      code: 'invalid-input',
      requestId: 'r-1',
      problems,
    });
  });

  it('show 20 problems and count the rest', () => {
    const problems = Array.from({ length: 137 }, (_, at) => ({ pointer: `/${at}`, message: 'no' }));
    const shown = documentOf(new AppError('invalid-input', 'Wrong.', { problems }));
    expect(shown.problems).toEqual(problems.slice(0, 20));
    expect(shown.moreProblems).toBe(117);
  });

  it('are valid JSON of at most 3 KB, and count every problem, whatever is in them', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 2000 }),
      fc.constantFrom('\u0000', '"', '\\', '😀', '\ud800', 'é', 'a').map((unit) => unit.repeat(3000)),
    );
    const problem = fc.record({ pointer: text, message: text });
    fc.assert(
      fc.property(text, fc.array(problem, { maxLength: 40 }), (detail, problems) => {
        const json = problemDocument(new AppError('invalid-input', detail, { problems }), 'r'.repeat(128));
        expect(Buffer.byteLength(json)).toBeLessThanOrEqual(3072);
        const shown = JSON.parse(json);
        expect((shown.problems?.length ?? 0) + (shown.moreProblems ?? 0)).toBe(problems.length);
        if (problems.length > 0) expect(shown.problems.length).toBeGreaterThan(0);
      }),
    );
  });

  it('never show the text of an error that is not ours', () => {
    for (const thrown of [new TypeError('secret at /srv/x.ts:1'), 'secret', { message: 'secret' }, null, undefined]) {
      const error = toAppError(thrown);
      expect(error.code).toBe('internal');
      expect(error.cause).toBe(thrown);
      expect(problemDocument(error, 'r-1')).not.toContain('secret');
    }
    expect(problemDocument(new AppError('internal', 'secret'), 'r-1')).not.toContain('secret');
  });

  it.each<[number, ErrorCode]>([
    [400, 'bad-request'],
    [404, 'not-found'],
    [413, 'body-too-large'],
    [415, 'unsupported-media-type'],
    [418, 'bad-request'],
    [500, 'internal'],
    [200, 'internal'],
  ])('take an error of Express with status %i for %s', (status, code) => {
    expect(toAppError(Object.assign(new Error('secret'), { status })).code).toBe(code);
  });

  it('say when to come back, in whole seconds and never 0', () => {
    const headersAfter = (retryAfterSeconds: number) =>
      problemHeaders(new AppError('store-unavailable', 'Away.', { retryAfterSeconds, headers: { Allow: 'GET' } }));
    expect(headersAfter(1.2)).toEqual({ 'Retry-After': '2', Allow: 'GET' });
    expect(headersAfter(0)).toEqual({ 'Retry-After': '1', Allow: 'GET' });
  });
});

describe('clipped', () => {
  it.each([
    ['abcdef', 6, 'abcdef'],
    ['abcdefg', 6, 'abc…'],
    ['a😀b😀c😀', 9, 'a😀b…'],
    ['""""""', 9, '"""…'],
    ['', 0, ''],
  ])('cuts %s to %i bytes of JSON', (text, bytes, kept) => {
    expect(clipped(text, bytes)).toBe(kept);
  });

  it('never takes more bytes than it may, and never splits a pair', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), fc.integer({ min: 3, max: 200 }), (text, bytes) => {
        const kept = clipped(text, bytes);
        expect(Buffer.byteLength(JSON.stringify(kept)) - 2).toBeLessThanOrEqual(bytes);
        expect(/[\ud800-\udfff]/u.test(kept)).toBe(false);
      }),
    );
  });
});
