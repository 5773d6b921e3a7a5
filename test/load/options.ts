/**
 * The command line of a load, read and checked.
 *
 * Promises: every problem is told, all at once, each with the option's name and the cure; nothing is guessed from a
 * value that cannot be read; the API key is in no text that is shown or written.
 */

import { randomInt } from 'node:crypto';
import { Command, CommanderError, Option } from 'commander';
import { type MixPart, readMix } from './mix.ts';
import { readDuration, readNumber, readShare } from './quantity.ts';

/** What a load does. Times in milliseconds, shares from 0 to 1. */
export interface LoadOptions {
  readonly url: URL;
  /** Requests a second; `max`: as fast as answers come. */
  readonly rate: number | 'max';
  readonly arrivals: 'constant' | 'poisson';
  readonly connections: number;
  readonly durationMs: number;
  readonly rampMs: number;
  readonly timeoutMs: number;
  /** Undefined: the service is asked. */
  readonly mix: readonly MixPart[] | undefined;
  /** Jobs in one request. */
  readonly bulk: number;
  /** Values that an id takes; 0: another one each time. */
  readonly ids: number;
  readonly seed: number;
  readonly apiKey: string | undefined;
  readonly followShare: number;
  /** How long to wait for empty queues after the load; undefined: not at all. */
  readonly waitMs: number | undefined;
  /** Folder of the report; undefined: one is made. */
  readonly report: string | undefined;
  readonly maxP99Ms: number | undefined;
  readonly maxErrorRate: number | undefined;
  readonly minThroughput: number | undefined;
}

export type Reading =
  | { readonly kind: 'options'; readonly options: LoadOptions }
  | { readonly kind: 'problems'; readonly problems: readonly string[] }
  | { readonly kind: 'help'; readonly text: string };

/** Bounds that no option may pass. */
const MOST = {
  rate: 20_000,
  connections: 1024,
  durationMs: 3_600_000,
  timeoutMs: 60_000,
  waitMs: 600_000,
  bulk: 1000,
  ids: 1_000_000_000,
  seed: 4_294_967_295,
  p99Ms: 60_000,
  throughput: 100_000_000,
} as const;

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;
const EXAMPLES = `
Examples:
  npm run load -- --rate 200 --duration 60s --mix learning.process-edit=3,learning.apply-feedback=1
  npm run load -- --rate max --connections 64 --duration 10s
  npm run load -- --rate 100 --follow 1% --max-p99 100ms --max-error-rate 0.1% --min-throughput 95

Exit codes: 0 every threshold held; 1 one did not; 2 nothing was measured: an option is wrong, or no service answers.
The report is read in docs/load-testing.md.`;

/** The option's own text, as the person gave it. */
type Given = Readonly<Record<string, string | boolean | undefined>>;

/** Read the command line, without the program's name. `defaultUrl`: where a service is thought to run. */
export function readOptions(args: readonly string[], defaultUrl: string): Reading {
  const problems: string[] = [];
  const given = parse(args, defaultUrl, problems);
  if (typeof given === 'string') return { kind: 'help', text: given };
  const options = check(given, new Checks(given, problems));
  return problems.length > 0 || options === undefined ? { kind: 'problems', problems } : { kind: 'options', options };
}

/** The command line as it can be shown and typed again: quoted, and without the API key. */
export function showCommand(args: readonly string[]): string {
  const shown = args.map((arg, index) => {
    if (args[index - 1] === '--api-key') return '<key>';
    return arg.startsWith('--api-key=') ? '--api-key=<key>' : arg;
  });
  const quoted = shown.map((arg) => (/^[\w@%+=:,./<>-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", `'\\''`)}'`));
  return ['npm run load --', ...quoted].join(' ').replace(/ --$/, '');
}

function createCommand(defaultUrl: string): Command {
  const option = (flags: string, about: string, usually?: string) =>
    new Option(flags, usually === undefined ? about : `${about} (default: ${usually})`);
  return (
    new Command('npm run load --')
      .description('Drive a running Millrace, and write a report.')
      .addOption(option('--url <url>', 'the service', `that of \`npm start\`, ${defaultUrl}`))
      .addOption(option('--rate <number>', 'requests a second, or max: as fast as answers come', '50'))
      .addOption(option('--arrivals <kind>', 'constant, or poisson: as strangers would come', 'constant'))
      .addOption(option('--connections <count>', 'most connections, and so most requests in flight', '32'))
      .addOption(option('--duration <time>', 'how long, such as 90s or 5m; at most 1h', '30s'))
      .addOption(option('--ramp <time>', 'part of the duration in which the rate grows from 0', '0s'))
      .addOption(
        option('--timeout <time>', 'when a request is given up: without a connection, and without an answer', '10s'),
      )
      .addOption(option('--mix <jobs>', 'jobs and their weights: a.b=3,c.d=1', 'learning.process-edit'))
      .addOption(option('--bulk <count>', 'jobs in each request, all of one kind', '1'))
      .addOption(option('--ids <count>', 'how many values each id takes; 0: a new one each time', '1000'))
      .addOption(option('--seed <number>', 'the same seed gives the same requests', 'another one each time'))
      .addOption(option('--follow <share>', 'share of the jobs that are followed until they finish, such as 1%', '0%'))
      .addOption(option('--wait [time]', 'afterwards wait until the queues are as empty as before; 60s unless told'))
      // The variable's value is not shown, and not in the command line that others can list.
      .addOption(option('--api-key <key>', 'API key, when the service asks for one').env('MILLRACE_API_KEY'))
      .addOption(option('--allow-remote', 'the service may be on another machine'))
      .addOption(option('--report <folder>', 'where report.html and report.json go', 'a new folder in .data/load'))
      .addOption(option('--max-p99 <time>', 'threshold: 99 % of the requests are faster, such as 100ms'))
      .addOption(option('--max-error-rate <share>', 'threshold: share of requests that fail, such as 0.1%'))
      .addOption(option('--min-throughput <number>', 'threshold: jobs accepted a second'))
      .addHelpText('after', EXAMPLES)
      .exitOverride()
      .configureOutput({ writeErr: () => {}, writeOut: () => {} })
  );
}

/** What was given, by name; or the help text, when that was asked for. */
function parse(args: readonly string[], defaultUrl: string, problems: string[]): Given | string {
  const command = createCommand(defaultUrl).allowUnknownOption().allowExcessArguments();
  const known = new Map(command.options.map((option) => [option.long ?? '', option]));
  const valued = args.filter((arg, index) => {
    const isBare = known.get(arg)?.required === true && (args[index + 1] ?? '--').startsWith('--');
    if (isBare) problems.push(`${arg}: has no value. Write one after it, or see --help.`);
    return !isBare;
  });
  try {
    command.parse(valued, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError && error.code === 'commander.helpDisplayed') return helpOf(command);
    throw error;
  }
  problems.push(...command.args.flatMap((arg, index) => strange(arg, command.args[index - 1], defaultUrl)));
  return { url: defaultUrl, ...command.opts<Given>() };
}

function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
  });
  command.outputHelp();
  return text.trimEnd();
}

/** What was not understood. The value of an option that does not exist is not told again. */
function strange(arg: string, before: string | undefined, defaultUrl: string): string[] {
  if (!arg.startsWith('-')) return before?.startsWith('-') ? [] : [`"${arg}": belongs to no option. See --help.`];
  const flag = arg.replace(/=.*$/s, '');
  const near = /Did you mean (--[a-z0-9-]+)/.exec(complaintAbout(flag, defaultUrl))?.[1];
  return [`${flag}: there is no such option. ${near === undefined ? 'See --help.' : `Did you mean ${near}?`}`];
}

/** What commander says about an option that it does not know: with the nearest one that it does. */
function complaintAbout(flag: string, defaultUrl: string): string {
  try {
    createCommand(defaultUrl).parse([flag], { from: 'user' });
    return '';
  } catch (error) {
    if (error instanceof CommanderError) return error.message;
    throw error;
  }
}

/** Reads values one after the other, and collects what is wrong with them. */
class Checks {
  readonly #given: Given;
  readonly #problems: string[];

  constructor(given: Given, problems: string[]) {
    this.#given = given;
    this.#problems = problems;
  }

  problem(text: string): void {
    this.#problems.push(text);
  }

  text(name: string): string | undefined {
    const value = this.#given[name];
    return typeof value === 'string' ? value : undefined;
  }

  flag(name: string): boolean {
    return this.#given[name] === true;
  }

  /** A value that `read` understands and that lies between `least` and `most`; NaN after a problem. */
  value(name: string, read: (text: string) => number | undefined, [least, most]: [number, number], cure: string) {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = read(text);
    if (value !== undefined && value >= least && value <= most) return value;
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    this.problem(`${flag}: cannot be "${text}". ${cure}`);
    return Number.NaN;
  }
}

const wholeNumber = (text: string) => (/^\d{1,12}$/.test(text) ? Number(text) : undefined);

function check(given: Given, checks: Checks): LoadOptions | undefined {
  const { text, value } = { text: checks.text.bind(checks), value: checks.value.bind(checks) };
  const url = checkUrl(text('url') ?? '', checks);
  const rate =
    text('rate') === 'max'
      ? ('max' as const)
      : value('rate', readNumber, [0.1, MOST.rate], `Give requests a second, 0.1–${MOST.rate}, or max.`);
  const durationMs =
    value('duration', readDuration, [1000, MOST.durationMs], 'Give a time from 1s to 1h, such as 90s or 5m.') ?? 30_000;
  const rampMs = value('ramp', readDuration, [0, MOST.durationMs], 'Give a time, such as 10s.') ?? 0;
  if (rampMs >= durationMs) checks.problem('--ramp: must be shorter than --duration, which it is a part of.');
  const options = {
    rate: rate ?? 50,
    arrivals: checkArrivals(text('arrivals'), rate, checks),
    connections:
      value('connections', wholeNumber, [1, MOST.connections], `Give a whole number, 1–${MOST.connections}.`) ?? 32,
    durationMs,
    rampMs,
    timeoutMs: value('timeout', readDuration, [100, MOST.timeoutMs], 'Give a time from 100ms to 1m.') ?? 10_000,
    mix: checkMix(text('mix'), checks),
    bulk: value('bulk', wholeNumber, [1, MOST.bulk], `Give a whole number, 1–${MOST.bulk}.`) ?? 1,
    ids: value('ids', wholeNumber, [0, MOST.ids], `Give a whole number, 0–${MOST.ids}.`) ?? 1000,
    seed: value('seed', wholeNumber, [0, MOST.seed], `Give a whole number, 0–${MOST.seed}.`) ?? randomInt(MOST.seed),
    apiKey: checkKey(text('apiKey'), checks),
    followShare: value('follow', readShare, [0, 1], 'Give a share, such as 1% or 0.01.') ?? 0,
    waitMs: checks.flag('wait')
      ? 60_000
      : value('wait', readDuration, [1000, MOST.waitMs], 'Give a time from 1s to 10m, or nothing: 60s.'),
    report: text('report'),
    maxP99Ms: value('maxP99', readDuration, [0.01, MOST.p99Ms], 'Give a time, such as 100ms.'),
    maxErrorRate: value('maxErrorRate', readShare, [0, 1], 'Give a share, such as 0.1% or 0.001.'),
    minThroughput: value('minThroughput', readNumber, [0, MOST.throughput], 'Give jobs a second, such as 150.'),
  };
  if (url !== undefined && !LOOPBACK.test(url.hostname) && given.allowRemote !== true) {
    checks.problem(
      `--url: ${url.hostname} is another machine. Give --allow-remote if it is yours and may be loaded, or name 127.0.0.1.`,
    );
  }
  return url === undefined ? undefined : { url, ...options };
}

function checkUrl(text: string, checks: Checks): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const cure = 'Give one such as http://127.0.0.1:3001.';
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    checks.problem(`--url: "${withoutPassword(text)}" is no http:// or https:// URL. ${cure}`);
    return undefined;
  }
  if (url.username !== '' || url.password !== '') {
    checks.problem('--url: holds a user or password. Give an API key with --api-key instead.');
  } else if (url.search !== '' || url.hash !== '') {
    checks.problem(`--url: must end with its path. ${cure}`);
  }
  return url;
}

function withoutPassword(text: string): string {
  return text.replace(/\/\/[^/@]*@/, '//…@');
}

function checkArrivals(text: string | undefined, rate: number | 'max' | undefined, checks: Checks) {
  if (text !== undefined && text !== 'constant' && text !== 'poisson') {
    checks.problem(`--arrivals: cannot be "${text}". Give constant or poisson.`);
  }
  if (text !== undefined && rate === 'max') {
    checks.problem('--arrivals: has no meaning with --rate max, where answers set the pace. Leave one of them out.');
  }
  return text === 'poisson' ? ('poisson' as const) : ('constant' as const);
}

function checkMix(text: string | undefined, checks: Checks): readonly MixPart[] | undefined {
  if (text === undefined) return undefined;
  const { parts, problems } = readMix(text);
  for (const problem of problems) checks.problem(`--mix: ${problem}`);
  return parts;
}

function checkKey(text: string | undefined, checks: Checks): string | undefined {
  if (text !== undefined && !/^[\x21-\x7e]{1,256}$/.test(text)) {
    checks.problem('--api-key: is not like a key: 1–256 printable ASCII characters without spaces.');
  }
  return text;
}
