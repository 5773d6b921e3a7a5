/** Hostile requests whose body is JSON that must not get any further. */

import { type HostileRequest, jsonPost } from './hostile-player.ts';

function refused(name: string, body: string): HostileRequest {
  return { name, parts: (target) => [jsonPost(target, body)], statuses: [422], code: 'invalid-input' };
}

const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
const keys = (many: number) => `{${Array.from({ length: many }, (_, at) => `"k${at}":1`).join()}}`;

export const HOSTILE_JSON: readonly HostileRequest[] = [
  refused('32 arrays inside an object', `{"a":${nested(32)}}`),
  refused('33 objects', `${'{"a":'.repeat(33)}1${'}'.repeat(33)}`),
  refused('5,000 arrays', `{"a":${nested(5000)}}`),
  refused('120,000 arrays', `{"a":${nested(120_000)}}`),
  refused('100,000 arrays and nothing else', nested(100_000)),
  refused('30,000 objects', `${'{"a":'.repeat(30_000)}1${'}'.repeat(30_000)}`),

  refused('NUL in a string', '{"a":"b\\u0000c"}'),
  refused('NUL in a key', '{"a\\u0000":1}'),
  refused('NUL deep inside', '{"a":[{"b":["c","\\u0000"]}]}'),
  refused('the first half of a pair', '{"a":"\\ud83d"}'),
  refused('the second half of a pair', '{"a":"\\ude00"}'),
  refused('a pair the wrong way round', '{"a":"\\ude00\\ud83d"}'),
  refused('half a pair in a key', '{"\\ud83d":1}'),
  refused('half a pair behind an escaped backslash', '{"a":"\\\\\\ud83d"}'),
  refused('40,000 halves', `{"a":"${'\\ud83d'.repeat(40_000)}"}`),

  refused('__proto__', '{"__proto__":{"operator":true}}'),
  refused('__proto__ deep inside', '{"a":[{"__proto__":1}]}'),
  refused('__proto__ in escapes', '{"\\u005f_proto__":1}'),
  refused('constructor', '{"constructor":{"prototype":{"operator":true}}}'),
  refused('constructor in escapes', '{"c\\u006fnstructor":1}'),

  refused('a key twice', '{"a":1,"a":2}'),
  refused('a key twice, once in escapes', '{"a":1,"\\u0061":2}'),
  refused('a key twice deep inside', '{"a":[{"b":{"c":1,"d":2,"c":3}}]}'),
  refused('an empty key twice', '{"":1,"":2}'),
  refused('a key 20,000 times', `{${Array(20_000).fill('"a":1').join()}}`),
  refused('a key twice among 20,000', `${keys(20_000).slice(0, -1)},"k7":1}`),
  refused('a key of 100 KB twice', `{"${'a'.repeat(100_000)}":1,"${'a'.repeat(100_000)}":1}`),

  refused('2^53 + 1', '{"a":9007199254740993}'),
  refused('−(2^53 + 1)', '{"a":-9007199254740993}'),
  refused('2^53 + 1 with a fraction of zeros', '{"a":9007199254740993.0}'),
  refused('2^53 + 1 with an exponent', '{"a":900719925474099.3e1}'),
  refused('20 digits', '{"a":12345678901234567890}'),
  refused('5,000 digits', `{"a":${'9'.repeat(5000)}}`),
  refused('250,000 digits', `{"a":${'9'.repeat(250_000)}}`),
  refused('1e400', '{"a":1e400}'),
  refused('−1e400', '{"a":-1e400}'),
  refused('1e-400', '{"a":1e-400}'),
  refused('an exponent of 20 digits', '{"a":1e99999999999999999999}'),
  refused('15,000 numbers that lose digits', `{"a":[${Array(13_000).fill('90071992547409931').join()}]}`),

  refused('null', 'null'),
  refused('a number', '5'),
  refused('a string', '"{}"'),
  refused('an array', '[]'),
  refused('an array of 100,000', `[${Array(100_000).fill('1').join()}]`),
  refused('20,000 unknown keys', keys(20_000)),
  refused(
    '1,000 unknown keys of 200 characters',
    `{${Array.from({ length: 1000 }, (_, at) => `"k${'é'.repeat(100)}${at}":1`).join()}}`,
  ),
  refused(
    'unknown keys of quotes and emoji',
    `{${Array.from({ length: 40 }, (_, at) => `"k${'\\"😀\\n'.repeat(200)}${at}":1`).join()}}`,
  ),
];
