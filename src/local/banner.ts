/** The one banner that `npm start` prints when everything is ready: where to look, and a line to paste. */

export interface BannerFacts {
  /** Port of each web process; the first is PORT. */
  readonly ports: readonly number[];
  /** Address that the web processes bind. */
  readonly host: string;
  readonly authentication: 'on' | 'off';
  readonly boardUser: string;
  /** The board's password; undefined when the user has set one: it is not printed then. */
  readonly boardPassword: string | undefined;
  readonly dataDir: string;
  /** Such as `web.1, worker.1`. */
  readonly processes: readonly string[];
  readonly seconds: number;
}

const EDIT = JSON.stringify({
  userId: 'me',
  originalText: 'I would like to utilize this opportunity to perhaps suggest that we consider it.',
  editedText: 'We should consider it.',
});

/** The banner's text. */
export function banner(facts: BannerFacts): string {
  const lines = ['', `  Millrace is ready after ${facts.seconds.toFixed(1)} s: ${facts.processes.join(', ')}`, ''];
  const [first, ...more] = facts.ports.map((port) => `http://${reachable(facts.host)}:${port}`);
  if (first !== undefined) lines.push(...addresses(facts, first, more), '', ...invitation(facts, first), '');
  lines.push(`  Data stays in ${facts.dataDir}. Ctrl-C stops everything.`, '');
  return lines.join('\n');
}

/** A bound "any address" is reached through loopback. */
function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::' || host === 'localhost') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}

function addresses(facts: BannerFacts, first: string, more: readonly string[]): string[] {
  const password =
    facts.boardPassword === undefined ? 'password: your BOARD_PASSWORD' : `password: ${facts.boardPassword}`;
  return [
    `    API      ${[first, ...more].join('  ')}`,
    `    Board    ${first}/admin/queues   user: ${facts.boardUser}   ${password}`,
    `    Health   ${first}/health`,
  ];
}

function invitation({ authentication }: BannerFacts, first: string): string[] {
  const key = authentication === 'on' ? ` -H 'authorization: Bearer <key>'` : '';
  return [
    '  Save an edit, and a few seconds later see what was learned from it:',
    '',
    `    curl -X POST ${first}/api/content/hello/save-edits${key} -H 'content-type: application/json' -d '${EDIT}'`,
    `    curl${key} '${first}/api/profile/style?userId=me'`,
  ];
}
