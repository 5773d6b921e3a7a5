/**
 * Configuration: environment variables in, one frozen typed object out. The only reader of `process.env`.
 *
 * Promises: all problems are reported at once, each with the variable's name and the cure; an unset variable takes the
 * default written here and nowhere else; `.env.example` is tested against this VARIABLES. A value keeps its variable's
 * name, so that a search for the name finds every use.
 */

import type { z } from 'zod';
import { BootError } from './lifecycle.ts';
import { spreadsOverSlots } from './redis-address.ts';
import { VARIABLES } from './variables.ts';

/** Loopback addresses: the only ones that `AUTH=off` may bind. */
const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost']);

/** Sender of the default tenant where mail stays on this machine. */
const LOCAL_SENDER = 'Millrace <no-reply@millrace.localhost>';

type Variables = z.output<typeof VARIABLES>;

/** The configuration: one frozen object, keyed by variable name. `HOST` and `PUBLIC_URL` are always filled in. */
export type Config = Readonly<Omit<Variables, 'HOST' | 'PUBLIC_URL'> & { HOST: string; PUBLIC_URL: string }>;

/** The part of the configuration that needs no stores: what `npm start` reads before there are any. */
export type LocalConfig = Readonly<Omit<Config, 'REDIS_URL' | 'REDIS_CACHE_URL' | 'DATABASE_URL'>> &
  Readonly<Record<'REDIS_URL' | 'REDIS_CACHE_URL' | 'DATABASE_URL', string | undefined>>;

/** What `finish` fills in or looks at. */
type Unfinished = Pick<Variables, 'AUTH' | 'HOST' | 'PORT' | 'SMTP_URL' | 'MAIL_FROM' | 'PUBLIC_URL'>;

/** Variable names to texts, as in `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** One or more variables are missing or wrong. The message lists all of them, one a line. */
export class ConfigError extends BootError {
  override readonly name = 'ConfigError';
  readonly lines: readonly string[];

  constructor(lines: readonly string[]) {
    super(
      `The configuration has ${lines.length === 1 ? 'a problem' : `${lines.length} problems`}:\n${lines.join('\n')}`,
    );
    this.lines = lines;
  }
}

const STORES = { REDIS_URL: true, REDIS_CACHE_URL: true, DATABASE_URL: true } as const;

/** Read and check the whole configuration; `environment` wins over `defaults`. Throws `ConfigError`. */
export function loadConfig(defaults: Environment = {}, environment: Environment = process.env): Config {
  return finish(parse(VARIABLES, defaults, environment));
}

/** As `loadConfig`, but the store URLs may be missing. */
export function loadLocalConfig(defaults: Environment = {}, environment: Environment = process.env): LocalConfig {
  const variables = parse(VARIABLES.partial(STORES), defaults, environment);
  const { REDIS_URL, REDIS_CACHE_URL, DATABASE_URL } = variables;
  return finish({ ...variables, REDIS_URL, REDIS_CACHE_URL, DATABASE_URL });
}

/** The environment that a child process starts with: ours, with `extra` on top. */
export function childEnvironment(extra: Environment): Environment {
  return { ...process.env, ...extra };
}

/** A configuration as variables again, all of them, for a child process that shall have the same one. */
export function configVariables(config: Config): Environment {
  const values: Readonly<Record<string, unknown>> = config;
  return Object.fromEntries(Object.keys(VARIABLES.shape).map((name) => [name, String(values[name] ?? '')]));
}

/** Every variable with its description and default, in the order of the schema; `.env.example` is tested against it. */
export function describeVariables(): { name: string; description: string; default: string | undefined }[] {
  return Object.entries(VARIABLES.shape).map(([name, field]) => {
    const result = field.safeParse(undefined);
    return {
      name,
      description: field.description ?? '',
      default: result.success && result.data !== undefined ? String(result.data) : undefined,
    };
  });
}

function parse<S extends z.ZodType>(from: S, defaults: Environment, environment: Environment): z.output<S> {
  const given = withoutEmpty({ ...defaults, ...withoutEmpty(environment) });
  const result = from.safeParse(given);
  const wrong = result.error?.issues.map((issue) => describeIssue(String(issue.path[0]), issue)) ?? [];
  const lines = [...wrong, ...describeSpread(given), ...describeStorage(given)];
  if (result.success && lines.length === 0) return result.data;
  throw new ConfigError(lines);
}

/** A Redis, the prefix of keys that one command may name together, and a prefix that keeps them in one slot. */
const TOGETHER = [
  ['REDIS_URL', 'QUEUE_PREFIX', '{bull}'],
  ['REDIS_CACHE_URL', 'CACHE_KEY_PREFIX', '{cache}:'],
] as const;

function describeSpread(given: Environment): string[] {
  return TOGETHER.flatMap(([url, name, cure]) => {
    const prefix = given[name] ?? VARIABLES.shape[name].parse(undefined);
    if (!spreadsOverSlots(given[url] ?? '', prefix)) return [];
    return [`  ${name}: must hold a hash tag, because ${url} is a Cluster. Set ${name}=${cure}.`];
  });
}

function describeStorage(given: Environment): string[] {
  if (given.S3_ENDPOINT === undefined) return [];
  const missing = ['S3_BUCKET', 'S3_ACCESS_KEY', 'S3_SECRET_KEY'].filter((name) => given[name] === undefined);
  return missing.map((name) => `  ${name}: is not set, but S3_ENDPOINT is.`);
}

/** `NAME=` in a shell means "not set". */
function withoutEmpty(environment: Environment): Environment {
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''));
}

function describeIssue(name: string, issue: z.core.$ZodIssue): string {
  const variable = describeVariables().find((entry) => entry.name === name);
  const missing = issue.code === 'invalid_type' && issue.input === undefined && variable?.default === undefined;
  const what = missing ? 'is not set' : issue.message;
  const cure = name in STORES ? ' `npm start` runs private stores and sets this by itself.' : '';
  return `  ${name}: ${what}. ${variable?.description ?? ''}${cure}`;
}

function finish<V extends Unfinished>(variables: V) {
  const host = variables.HOST ?? (variables.AUTH === 'off' ? '127.0.0.1' : '0.0.0.0');
  if (variables.AUTH === 'off' && !LOOPBACK.has(host)) {
    throw new ConfigError([`  HOST: is ${host}, but AUTH=off only binds loopback. Unset HOST, or set AUTH=on.`]);
  }
  // Without a mail server the local inbox takes it from whomever.
  const MAIL_FROM = variables.MAIL_FROM ?? (variables.SMTP_URL === undefined ? LOCAL_SENDER : undefined);
  const PUBLIC_URL = variables.PUBLIC_URL ?? `http://127.0.0.1:${variables.PORT}`;
  return Object.freeze({ ...variables, HOST: host, MAIL_FROM, PUBLIC_URL });
}
