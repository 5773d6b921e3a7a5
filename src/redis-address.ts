/**
 * What a Redis URL may say: one server, a master that Sentinels know, or a Cluster. A computation; opens nothing.
 *
 *   redis://[user:password@]host[:port][/db]
 *   redis+sentinel://[user:password@]host[:port],host[:port]…/master-name[/db][?sentinel_password=…]
 *   redis+cluster://[user:password@]host[:port],host[:port]…
 *
 * `rediss` instead of `redis` means TLS, to the Sentinels too. User and password are those of the data servers;
 * `sentinel_username` and `sentinel_password` those of the Sentinels. These are the forms of the Python libraries
 * redis-sentinel-url, RedisVL and docket: see `docs/decisions/0012-redis-topologies.md`.
 *
 * Promises: a problem never repeats the URL, which may hold a password.
 */

export interface Endpoint {
  /** Name or address; an IPv6 address without its brackets. */
  readonly host: string;
  readonly port: number;
}

interface Login {
  readonly username?: string;
  readonly password?: string;
}

interface Several extends Login {
  readonly endpoints: readonly Endpoint[];
  readonly tls: boolean;
}

/** `single` keeps the URL as it is: ioredis reads it. */
export type RedisAddress =
  | { readonly kind: 'single'; readonly url: string; readonly endpoints: readonly Endpoint[] }
  | (Several & { readonly kind: 'sentinel'; readonly master: string; readonly db: number; readonly sentinels: Login })
  | (Several & { readonly kind: 'cluster' });

const FORM = /^(rediss?)\+(sentinel|cluster):\/\/(?:([^@/?#]*)@)?([^@/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/;
const ENDPOINT = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::(\d{1,5}))?$/i;
const SENTINEL_PORT = 26_379;
const REDIS_PORT = 6379;

const FORMS =
  'must be redis://host, redis+sentinel://host,host/master-name or redis+cluster://host,host (rediss for TLS)';
/** Redis hashes what stands in the first braces of a key, if anything does. */
const HASH_TAG = /^[^{]*\{[^}]+\}/;

/** Read a URL. Throws `TypeError` with every problem. */
export function parseRedisAddress(url: string): RedisAddress {
  const problems: string[] = [];
  const address = read(url, problems);
  if (address !== undefined && problems.length === 0) return address;
  throw new TypeError(`The Redis URL ${problems.join('; it ')}.`);
}

/** What is wrong with a URL, each as the end of a sentence; empty: nothing. */
export function redisUrlProblems(url: string): readonly string[] {
  const problems: string[] = [];
  read(url, problems);
  return problems;
}

/** Would keys with this prefix be spread over the slots of a Cluster, so that commands on several of them fail? */
export function spreadsOverSlots(url: string, prefix: string): boolean {
  return /^rediss?\+cluster:/.test(url) && !HASH_TAG.test(prefix);
}

/** Hosts and ports of a URL, for messages: it may hold a password. */
export function placeOf(url: string): string {
  return parseRedisAddress(url).endpoints.map(spell).join(', ');
}

/** `host:port`, an IPv6 address in brackets. */
function spell({ host, port }: Endpoint): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function read(url: string, problems: string[]): RedisAddress | undefined {
  if (/^rediss?:\/\//.test(url)) return readSingle(url, problems);
  const parts = FORM.exec(url);
  if (parts === null) {
    problems.push(FORMS);
    return undefined;
  }
  const [, scheme, kind, login = '', hosts = '', path = '', query = ''] = parts;
  const several: Several = {
    endpoints: readEndpoints(hosts, kind === 'sentinel' ? SENTINEL_PORT : REDIS_PORT, problems),
    tls: scheme === 'rediss',
    ...readLogin(login, problems),
  };
  const options = new URLSearchParams(query);
  if (kind === 'cluster') {
    if (path !== '') problems.push('must have nothing after its hosts: a Cluster has one database');
    refuseOptions(options, [], problems);
    return { kind: 'cluster', ...several };
  }
  const [master = '', db = '0', ...rest] = path.split('/');
  if (!/^[A-Za-z0-9._-]+$/.test(master)) problems.push('must name the master after its hosts, as in …/mymaster');
  if (!/^\d{1,5}$/.test(db) || rest.length > 0)
    problems.push('must end in /master-name or /master-name/database-number');
  refuseOptions(options, ['sentinel_username', 'sentinel_password'], problems);
  const sentinels = loginOf(options.get('sentinel_username') ?? '', options.get('sentinel_password') ?? '');
  return { kind: 'sentinel', ...several, master, db: Number(db), sentinels };
}

function readSingle(url: string, problems: string[]): RedisAddress | undefined {
  if (!URL.canParse(url)) {
    problems.push(FORMS);
    return undefined;
  }
  const { hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '') || 'localhost';
  return { kind: 'single', url, endpoints: [{ host, port: port === '' ? REDIS_PORT : Number(port) }] };
}

function readEndpoints(text: string, defaultPort: number, problems: string[]): Endpoint[] {
  const endpoints: Endpoint[] = [];
  for (const [index, part] of text.split(',').entries()) {
    const [, address, name, port = String(defaultPort)] = ENDPOINT.exec(part) ?? [];
    const host = address ?? name;
    if (host === undefined || Number(port) < 1 || Number(port) > 65_535) {
      problems.push(`must have a host or host:port as its ${ordinal(index + 1)} host`);
    } else endpoints.push({ host, port: Number(port) });
  }
  return endpoints;
}

function readLogin(text: string, problems: string[]): Login {
  const colon = text.indexOf(':');
  const [username, password] = colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)];
  try {
    return loginOf(decodeURIComponent(username), decodeURIComponent(password));
  } catch {
    // URIError: a lone per cent sign.
    problems.push('must have its user and password percent-encoded');
    return {};
  }
}

function loginOf(username: string, password: string): Login {
  return { ...(username !== '' && { username }), ...(password !== '' && { password }) };
}

function refuseOptions(options: URLSearchParams, known: readonly string[], problems: string[]): void {
  for (const name of new Set(options.keys())) {
    if (known.includes(name)) continue;
    const cure = known.length === 0 ? 'none is known here' : `known are ${known.join(' and ')}`;
    problems.push(`must not have the option "${name.slice(0, 40)}": ${cure}`);
  }
}

function ordinal(number: number): string {
  return ['first', 'second', 'third'][number - 1] ?? `${number}th`;
}
