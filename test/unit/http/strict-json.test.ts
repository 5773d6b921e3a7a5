import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseStrictJson } from '../../../src/http/strict-json.ts';

/** The problems of a text as `pointer: message`; empty when it is accepted. */
function problemsOf(text: string): string[] {
  const parsed = parseStrictJson(text);
  return parsed.ok ? [] : parsed.problems.map(({ pointer, message }) => `${pointer}: ${message}`);
}

/** Where below the hostile value itself the problem is. */
const LAST_STEP: Readonly<Record<string, string>> = { '{"x":1,"x":1}': '/x', '{"__proto__":0}': '/__proto__' };

const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

describe('parseStrictJson', () => {
  it.each([
    '{}',
    '[]',
    'null',
    '"a"',
    ' { "a" : [ 1 , 2.5 , -0 , true , false , null , "x" ] } ',
    '{"":{"":{"":1}}}',
    '{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}',
    '{"prototype":1,"toString":2,"hasOwnProperty":3}',
    '{"a":"__proto__","b":"constructor"}',
    '{"a":"😀 \\ud83d\\ude00 \\u00e9 \\\\u0000 \\" \\\\"}',
    '{"a\\"b":1,"a\\\\b":2}',
    nested(32),
  ])('accepts %s as JSON.parse does', (text) => {
    expect(parseStrictJson(text)).toEqual({ ok: true, value: JSON.parse(text) });
  });

  it.each([
    '0.1',
    '3.141592653589793238',
    '9007199254740991',
    '-9007199254740991',
    '9007199254740992',
    '100000000000000000000',
    '1152921504606847000',
    '1152921504606846976',
    '1e300',
    '1.7976931348623157e308',
    '5e-324',
    '0e99999',
    '0.000',
    '-0',
    '1e23',
    `0.${'1'.repeat(5000)}`,
    `1.${'0'.repeat(5000)}`,
    '1000000000000000000000.5',
  ])('accepts the number %s', (text) => {
    expect(problemsOf(text)).toEqual([]);
  });

  it.each([
    ['9007199254740993', 'lose digits'],
    ['-9007199254740993', 'lose digits'],
    ['9007199254740993.0', 'lose digits'],
    ['900719925474099.3e1', 'lose digits'],
    ['90071992547409930e-1', 'lose digits'],
    ['12345678901234567890', 'lose digits'],
    ['1e309', 'too large'],
    ['-1e309', 'too large'],
    ['9'.repeat(400), 'too large'],
    ['1e-324', 'too close to zero'],
    [`0.${'0'.repeat(400)}1`, 'too close to zero'],
  ])('refuses the number %s', (text, why) => {
    expect(problemsOf(`[0,${text}]`)).toEqual([expect.stringMatching(`^/1: .*${why}`)]);
  });

  it('points at every problem, in the order of the text', () => {
    const text = `{"a":{"b":1,"b":2},"c/d":["x",{"e~":"\\u0000"}],"__proto__":{"constructor":1e999},"f":"\\ud800"}`;
    expect(problemsOf(text)).toEqual([
      '/a/b: is a key that appears twice',
      '/c~1d/1/e~0: holds a NUL character',
      '/__proto__: is a key that is not allowed',
      '/__proto__/constructor: is a key that is not allowed',
      '/__proto__/constructor: is too large for a number',
      '/f: holds half of a surrogate pair',
    ]);
  });

  it('names what is too deep and goes on after it', () => {
    const text = `{"a":${nested(40)},"b":[${'{"x":"]}"},'.repeat(3)}1],"b":2}`;
    expect(problemsOf(text)).toEqual([
      `/a${'/0'.repeat(31)}: is nested deeper than 32 levels`,
      '/b: is a key that appears twice',
    ]);
  });

  it('sees a key twice among many, and through escapes', () => {
    const many = Array.from({ length: 100 }, (_, at) => `"k${at}":1`).join();
    expect(problemsOf(`{${many},"\\u006b99":1}`)).toEqual(['/k99: is a key that appears twice']);
  });

  it.each([
    ['', 'is empty'],
    ['\ufeff{}', 'byte order mark'],
    ['{"a":1,}', 'is not valid JSON'],
    ['{"a":"\0"}', 'is not valid JSON'],
    ["{'a':1}", 'is not valid JSON'],
  ])('says why %j is malformed', (text, why) => {
    expect(parseStrictJson(text)).toMatchObject({
      code: 'malformed-json',
      problems: [{ pointer: '', message: expect.stringContaining(why) }],
    });
  });

  it('never throws, and what it accepts is what JSON.parse gives', () => {
    const pieces = [
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '\\',
      '\\u0000',
      '\\ud800',
      '"a"',
      '"__proto__"',
      '1e999',
      '-',
      '1',
      ' ',
    ];
    const nearJson = fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 3 })), { maxLength: 30 });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          nearJson.map((parts) => parts.join('')),
        ),
        (text) => {
          const parsed = parseStrictJson(text);
          if (parsed.ok) expect(parsed.value).toEqual(JSON.parse(text));
          else expect(parsed.problems.length).toBeGreaterThan(0);
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('accepts whatever JSON.stringify writes from honest values, however it is spaced and escaped', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.nat(3), fc.boolean(), (value, spaces, ascii) => {
        let text = JSON.stringify(value, undefined, spaces);
        if (ascii) text = text.replace(/[^ -~\s]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
        const honest = !/__proto__|constructor|\\u0000/.test(text) && !/[\ud800-\udfff]/u.test(JSON.stringify(value));
        fc.pre(honest);
        expect(parseStrictJson(text)).toEqual({ ok: true, value: JSON.parse(text) });
      }),
      { numRuns: 2000 },
    );
  });

  it('finds one hostile thing wherever it hides, at the right pointer', () => {
    const hostile = fc.constantFrom(
      '"\\u0000"',
      '"\\udfff"',
      '9007199254740993',
      '1e400',
      '{"x":1,"x":1}',
      '{"__proto__":0}',
    );
    const step = fc.oneof(fc.nat(4), fc.stringMatching(/^[a-z/~"\\]{0,5}$/));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), hostile, (path, inner) => {
        const wrap = (text: string, at: number | string) =>
          typeof at === 'number' ? `[${'"[{",'.repeat(at)}${text}]` : `{"0 }":[{}],${JSON.stringify(at)}:${text}}`;
        const text = path.reduceRight(wrap, inner);
        const pointer = path.map((at) => `/${String(at).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
        const last = LAST_STEP[inner] ?? '';
        expect(problemsOf(text)).toEqual([expect.stringContaining(`${pointer}${last}: `)]);
      }),
      { numRuns: 2000 },
    );
  });

  it('takes time in proportion to the text, whatever the text is', () => {
    const size = 256_000;
    const fill = (piece: string) => piece.repeat(Math.floor(size / piece.length));
    const families = [
      nested(size / 2),
      `["${fill('\\\\')}"]`,
      `["${fill('\\"')}"]`,
      `["${fill('\\u0000')}"]`,
      `["${fill('\\ud800')}"]`,
      `[${fill('{},')}1]`,
      `[${fill('"\\\\",')}1]`,
      `[${fill('9007199254740993,')}1]`,
      `[1.${fill('0')}1e9]`,
      `{${fill('"a":1,')}"a":1}`,
      `{${Array.from({ length: 20_000 }, (_, at) => `"k${at}":1`).join()}}`,
      `{"${'k'.repeat(100_000)}":1,${'"a":1,'.repeat(20_000)}"${'k'.repeat(100_000)}":1}`,
      fill(' '),
      fill('{"a":'),
    ];
    for (const text of families) {
      const startMs = performance.now();
      parseStrictJson(text);
      // The slowest takes 40 ms on a laptop; anything quadratic would take minutes.
      expect(performance.now() - startMs, text.slice(0, 20)).toBeLessThan(1500);
    }
  });
});
