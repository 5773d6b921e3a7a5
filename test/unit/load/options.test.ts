import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readOptions, showCommand } from '../../load/options.ts';

const HERE = 'http://127.0.0.1:3001';

function options(line: string) {
  const reading = readOptions(line.split(' ').filter(Boolean), HERE);
  if (reading.kind !== 'options') throw new Error(JSON.stringify(reading));
  return reading.options;
}

function problems(line: string): readonly string[] {
  const reading = readOptions(line.split(' ').filter(Boolean), HERE);
  return reading.kind === 'problems' ? reading.problems : [];
}

describe('the options', () => {
  it('are all known when none is given', () => {
    expect(options('')).toMatchObject({
      url: new URL(HERE),
      rate: 50,
      arrivals: 'constant',
      connections: 32,
      durationMs: 30_000,
      rampMs: 0,
      timeoutMs: 10_000,
      mix: undefined,
      bulk: 1,
      ids: 1000,
      followShare: 0,
      waitMs: undefined,
      maxP99Ms: undefined,
      maxErrorRate: undefined,
      minThroughput: undefined,
    });
  });

  it('are read from one line as a person writes it', () => {
    const line =
      '--url https://localhost:8443/millrace --rate 200 --arrivals poisson --connections 8 --duration 1.5m --ramp 10s' +
      ' --timeout 500ms --mix a.b=3,c.d --bulk 100 --ids 0 --seed 7 --follow 1% --wait --api-key k --report out' +
      ' --max-p99 100ms --max-error-rate 0.1% --min-throughput 150';
    expect(options(line)).toEqual({
      url: new URL('https://localhost:8443/millrace'),
      rate: 200,
      arrivals: 'poisson',
      connections: 8,
      durationMs: 90_000,
      rampMs: 10_000,
      timeoutMs: 500,
      mix: [
        { job: 'a.b', weight: 3 },
        { job: 'c.d', weight: 1 },
      ],
      bulk: 100,
      ids: 0,
      seed: 7,
      apiKey: 'k',
      followShare: 0.01,
      waitMs: 60_000,
      report: 'out',
      maxP99Ms: 100,
      maxErrorRate: 0.001,
      minThroughput: 150,
    });
  });

  it('draw another seed each time unless one is given', () => {
    const seeds = new Set(Array.from({ length: 20 }, () => options('').seed));
    expect(seeds.size).toBeGreaterThan(15);
  });

  it('tell every problem at once, each with its name and the cure', () => {
    const found = problems(
      '--rate lots --duration 2h --connections 0 --bulk 1.5 --mix a=1=2,x.y=0 --seed -4 --follow 200% --max-p99 100',
    );
    expect(found).toEqual([
      '--rate: cannot be "lots". Give requests a second, 0.1–20000, or max.',
      '--duration: cannot be "2h". Give a time from 1s to 1h, such as 90s or 5m.',
      '--connections: cannot be "0". Give a whole number, 1–1024.',
      '--mix: "a=1=2" is not like queue.verb-object=3.',
      '--mix: the weight of x.y must be a number above 0, at most 1000000.',
      '--bulk: cannot be "1.5". Give a whole number, 1–1000.',
      '--seed: cannot be "-4". Give a whole number, 0–4294967295.',
      '--follow: cannot be "200%". Give a share, such as 1% or 0.01.',
      '--max-p99: cannot be "100". Give a time, such as 100ms.',
    ]);
  });

  it('name the nearest option for one that does not exist, and do not take its value for something else', () => {
    expect(problems('--conections 3')).toEqual(['--conections: there is no such option. Did you mean --connections?']);
    expect(problems('--zzz')).toEqual(['--zzz: there is no such option. See --help.']);
  });

  it('do not take the next option for a value', () => {
    expect(problems('--rate --duration 10s --mix')).toEqual([
      '--rate: has no value. Write one after it, or see --help.',
      '--mix: has no value. Write one after it, or see --help.',
    ]);
  });

  it('refuse what belongs to no option', () => {
    expect(problems('--rate 5 10s')).toEqual(['"10s": belongs to no option. See --help.']);
  });

  it('refuse a ramp that is not a part of the duration', () => {
    expect(problems('--duration 10s --ramp 10s')).toEqual([
      '--ramp: must be shorter than --duration, which it is a part of.',
    ]);
  });

  it('refuse arrivals where answers set the pace', () => {
    expect(problems('--rate max --arrivals poisson')[0]).toContain('--arrivals: has no meaning with --rate max');
  });

  it('go to this machine only, unless the other one is allowed', () => {
    for (const url of [
      'http://example.com',
      'http://10.0.0.1',
      'http://127.0.0.1.example.com',
      'http://[2001:db8::1]',
    ]) {
      expect(problems(`--url ${url}`), url).toHaveLength(1);
      expect(problems(`--url ${url}`)[0], url).toContain('--allow-remote');
      expect(options(`--url ${url} --allow-remote`).url.href).toBe(new URL(url).href);
    }
    for (const url of ['http://localhost:1', 'http://127.8.8.8:1', 'http://[::1]:1', 'HTTP://LOCALHOST']) {
      expect(problems(`--url ${url}`), url).toEqual([]);
    }
  });

  it('refuse a URL that is none, and never show its password', () => {
    expect(problems('--url redis://127.0.0.1')[0]).toContain('is no http:// or https:// URL');
    expect(problems('--url nonsense')[0]).toContain('"nonsense" is no http:// or https:// URL');
    const [withPassword = ''] = problems('--url http://me:secret@127.0.0.1');
    expect(withPassword).toContain('--api-key');
    expect(withPassword).not.toContain('secret');
    expect(problems('--url ftp://me:secret@127.0.0.1').join()).not.toContain('secret');
  });

  it('show a help that names the exit codes', () => {
    const reading = readOptions(['--help'], HERE);
    expect(reading.kind === 'help' && reading.text).toContain('Exit codes: 0');
  });

  it('never throw, whatever is written', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string(), fc.constantFrom('--rate', '--mix', '--wait', '--url', '-h'))),
        (args) => {
          expect(['options', 'problems', 'help']).toContain(readOptions(args, HERE).kind);
        },
      ),
    );
  });
});

describe('the command line in the report', () => {
  it('can be typed again', () => {
    expect(showCommand(['--rate', '5', '--report', "it's here"])).toBe(
      "npm run load -- --rate 5 --report 'it'\\''s here'",
    );
    expect(showCommand([])).toBe('npm run load');
  });

  it('does not hold the API key', () => {
    expect(showCommand(['--api-key', 'sesame', '--rate', '5'])).toBe('npm run load -- --api-key <key> --rate 5');
    expect(showCommand(['--api-key=sesame'])).toBe('npm run load -- --api-key=<key>');
  });
});
