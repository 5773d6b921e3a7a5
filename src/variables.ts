/**
 * Every environment variable: its kind, its default, and what it is for. Read by `config.ts` and nobody else.
 *
 * Promises: `.env.example` is written from this table; a default stands here and nowhere else.
 */

import { z } from 'zod';
import { isSmtpUrl, parseMailbox } from './mail-address.ts';
import { redisUrlProblems } from './redis-address.ts';

const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
const minutes = z.coerce.number().min(0).max(10_080);
const onOff = z.enum(['on', 'off']);
const redisUrl = z.string().superRefine((url, context) => {
  for (const message of redisUrlProblems(url)) context.addIssue({ code: 'custom', message });
});
const bucket = z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'must be a bucket name');
const secret = z.string().min(8, 'must have at least 8 characters');

/** The variables, in the order of `.env.example`. */
export const VARIABLES = z.object({
  // Process
  PORT: whole(1, 65_535).default(3001).describe('TCP port of the web process.'),
  HOST: z.string().min(1).optional().describe('Address to bind. Default: 127.0.0.1 when AUTH=off, else 0.0.0.0.'),
  NODE_ENV: z.string().min(1).default('development').describe('production: the journal must lie on a real disk.'),
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .describe('Lowest level that is logged.'),
  SHUTDOWN_DEADLINE_MS: whole(1000, 600_000)
    .default(25_000)
    .describe('Milliseconds from SIGTERM until everything has stopped.'),
  JOBS_DIR: z.string().min(1).optional().describe('Folder of job definitions. Default: jobs/ beside the code.'),

  // Stores
  REDIS_URL: redisUrl.describe(
    'Queue Redis: redis://host, redis+sentinel://host,host/master or redis+cluster://host,host. Must be noeviction with AOF.',
  ),
  REDIS_CACHE_URL: redisUrl.describe('Cache Redis: cached values only. Should be allkeys-lru with a maxmemory.'),
  DATABASE_URL: z
    .url({ protocol: /^postgres(ql)?$/, error: 'must be postgres://… or postgresql://…' })
    .describe('PostgreSQL: profiles, edits, ledger, API keys.'),
  DATABASE_SCHEMA: z
    .string()
    .regex(/^[a-z_][a-z0-9_]{0,62}$/, 'must be a lower-case SQL name')
    .default('public')
    .describe('PostgreSQL schema that holds the tables.'),
  DATABASE_POOL_SIZE: whole(2, 200).default(10).describe('PostgreSQL connections per process.'),
  QUEUE_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9_{}-]{1,64}$/, 'may hold letters, digits, _ - { }')
    .default('bull')
    .describe('BullMQ key prefix. A Redis Cluster needs a hash tag, such as {bull}.'),
  KEY_PREFIX: z.string().max(64).default('').describe('Put before every other key in the queue Redis.'),
  CACHE_KEY_PREFIX: z
    .string()
    .max(64)
    .default('')
    .describe('Put before every key in the cache Redis, such as aim:. On a Cluster {cache}:.'),

  // Accepting
  ACCEPT: z
    .enum(['journal', 'redis'])
    .default('journal')
    .describe('journal: a job is on this disk before its 202. redis: only while Redis is away; weaker, said at start.'),
  JOURNAL_DIR: z
    .string()
    .min(1)
    .optional()
    .describe('Folder of the journals. Needs a real disk. Default: journal/ in DATA_DIR.'),
  JOURNAL_KEY: z
    .base64({ error: 'must be base64' })
    .refine((text) => Buffer.from(text, 'base64').length === 32, 'must be 32 bytes in base64: openssl rand -base64 32')
    .optional()
    .describe(
      'Key that encrypts the journals: 32 bytes in base64. Unset: they are plain, readable by their owner alone.',
    ),
  JOURNAL_MAX_JOBS: whole(1, 100_000_000)
    .default(1_000_000)
    .describe('Jobs that one web process keeps while Redis is away; more are refused.'),
  JOURNAL_MAX_BYTES: whole(16_000_000, 1_000_000_000_000)
    .default(4_000_000_000)
    .describe('Bytes on disk that the journal of one web process may take; above, jobs are refused.'),
  JOURNAL_MAX_AGE_MINUTES: minutes
    .default(1440)
    .describe('Minutes for which jobs may wait for Redis before new ones are refused.'),

  // Access
  AUTH: onOff.default('on').describe('on: every request needs an API key. off: loopback only, one tenant.'),
  BOARD_USER: z.string().min(1).max(64).default('admin').describe('User name of the board.'),
  BOARD_PASSWORD: secret.optional().describe('Password of the board. Unset: the board answers 503.'),
  BOARD_WRITES: onOff.default('off').describe('on: the board may retry, promote and remove jobs; each is audited.'),

  // Cache
  PROFILE_CACHE_TTL_SECONDS: whole(1, 604_800).default(3600).describe('Seconds a cached style profile lives.'),
  EVOLUTION_CACHE_TTL_SECONDS: whole(1, 604_800).default(300).describe('Seconds a cached evolution score lives.'),
  ARCHETYPE_CACHE_TTL_SECONDS: whole(1, 604_800).default(86_400).describe('Seconds the cached archetypes live.'),

  // Work
  LEARNING_QUEUE_CONCURRENCY: whole(1, 500).default(5).describe('Learning jobs that one worker process runs at once.'),
  MEDIA_QUEUE_CONCURRENCY: whole(1, 500).default(2).describe('Media jobs that one worker process runs at once.'),
  ANALYTICS_QUEUE_CONCURRENCY: whole(1, 500)
    .default(2)
    .describe('Analytics jobs that one worker process runs at once.'),
  ANALYTICS_KEEP_DAYS: whole(1, 36_500).default(400).describe('Days for which the figures of a day are kept.'),
  EMAIL_QUEUE_CONCURRENCY: whole(1, 500).default(5).describe('Email jobs that one worker process runs at once.'),
  CLEANUP_QUEUE_CONCURRENCY: whole(1, 500).default(3).describe('Cleanup jobs that one worker process runs at once.'),
  ISOLATED_MEMORY_MB: whole(64, 65_536)
    .default(512)
    .describe('Megabytes of JavaScript heap in the process of an isolated job; as a whole it may take twice as much.'),
  EDIT_BATCH_WINDOW_MINUTES: minutes
    .default(5)
    .describe('Minutes, fractions allowed, for which edits of one user are gathered into one run. 0: no gathering.'),
  LEARNING_RATE_LIMIT_MINUTES: minutes
    .default(5)
    .describe('Minutes, fractions allowed, between the starts of two learning runs of one user. 0: no limit.'),

  // AI replies
  AI_BASE_URL: z
    .url({ protocol: /^https?$/, error: 'must be http://… or https://…' })
    .optional()
    .describe('OpenAI-compatible endpoint, such as http://127.0.0.1:8080/v1. Unset: there are no AI replies.'),
  AI_MODEL: z.string().min(1).max(200).default('gpt-4o-mini').describe('Name of the model that writes replies.'),
  AI_API_KEY: z
    .string()
    .min(1)
    .optional()
    .describe('Key for AI_BASE_URL, sent as a Bearer token. Unset: none is sent.'),
  AI_MAX_TOKENS: whole(0, 100_000).default(1000).describe('Most tokens of one reply. 0: the endpoint decides.'),
  AI_QUEUE_CONCURRENCY: whole(1, 500).default(10).describe('AI replies that one worker process makes at once.'),

  // Keeping
  JOBS_KEEP_COMPLETED_HOURS: whole(24, 8760)
    .default(24)
    .describe('Hours for which completed jobs can be seen, and for which repeats of their keys are known.'),
  JOBS_KEEP_DEAD_DAYS: whole(1, 365).default(14).describe('Days for which dead letters can be seen and retried.'),
  JOBS_KEEP_MOST: whole(1000, 100_000_000)
    .default(100_000)
    .describe('Finished jobs of one queue; of more, the oldest go earlier. Keys are kept for a day all the same.'),
  JOBS_KEEP_MOST_BYTES: whole(1_000_000, 1_000_000_000_000)
    .default(1_000_000_000)
    .describe('Bytes of Redis memory that the finished jobs of one queue may take; above, the oldest go earlier.'),
  LEDGER_KEEP_DAYS: whole(8, 3650)
    .default(30)
    .describe('Days for which applied effects, cancels and gathered requests are remembered: longer than any replay.'),
  EVENTS_KEEP_DAYS: whole(1, 3650).default(30).describe('Days for which events stay in their streams.'),

  // Files
  MEDIA_DIR: z
    .string()
    .min(1)
    .optional()
    .describe('Folder of files and of uploads under way; processes share it. Default: media/ in DATA_DIR.'),
  MEDIA_MAX_BYTES: whole(1000, 2_000_000_000).default(25_000_000).describe('Bytes that a file may have.'),
  MEDIA_KEEP_DAYS: whole(0, 36_500).default(30).describe('Days after its last use that a file is kept. 0: for ever.'),
  MEDIA_LINK_KEY: z
    .string()
    .min(32, 'must have at least 32 characters: openssl rand -hex 32')
    .optional()
    .describe('Key that signs links to files, the same for all processes. Unset: one is made and kept in MEDIA_DIR.'),
  MEDIA_LINK_MINUTES: whole(1, 10_080).default(60).describe('Minutes for which a link to a file is good.'),
  MEDIA_FETCH_HTTP: onOff.default('off').describe('on: files may be fetched over plain http too; for development.'),
  MEDIA_FETCH_PORTS: z
    .string()
    .regex(/^\d{1,5}(,\d{1,5})*$/, 'must look like 443,8443')
    .default('443,8443,80,8080')
    .describe('Ports that files may be fetched from.'),
  S3_ENDPOINT: z
    .url({ protocol: /^https?$/, error: 'must be https://… or http://…' })
    .optional()
    .describe('S3-compatible store for files. Unset: MEDIA_DIR holds them.'),
  S3_BUCKET: bucket.optional().describe('Bucket of the files; it must exist.'),
  S3_REGION: z.string().min(1).default('us-east-1').describe('Region that requests to the S3 store are signed for.'),
  S3_ACCESS_KEY: z.string().min(1).optional().describe('Access key of the S3 store.'),
  S3_SECRET_KEY: z.string().min(1).optional().describe('Secret key of the S3 store.'),

  // Speech
  SPEECH_URL: z
    .url({ protocol: /^https?$/, error: 'must be http://… or https://…' })
    .optional()
    .describe('Base address, without /v1, of a service that speaks the OpenAI transcription protocol. Unset: offline.'),
  SPEECH_API_KEY: z
    .string()
    .min(1)
    .optional()
    .describe('Key for SPEECH_URL, sent as a Bearer token. Unset: none is sent.'),
  SPEECH_MODEL: z.string().min(1).max(200).default('whisper-1').describe('Name of the model at SPEECH_URL.'),
  SPEECH_OFFLINE: onOff
    .default('on')
    .describe('on: without SPEECH_URL, pocketsphinx transcribes (basic English). off: nothing does.'),
  AUDIO_MAX_SECONDS: whole(1, 3600).default(600).describe('Seconds that a recording may last to be transcribed.'),

  // Mail
  SMTP_URL: z
    .string()
    .refine(isSmtpUrl, 'must be smtp://user:password@host:587 or smtps://user:password@host:465')
    .optional()
    .describe('Mail server: smtp:// (STARTTLS) or smtps://. Unset: mail goes to a folder that /admin/mail shows.'),
  SMTP_TLS: onOff
    .optional()
    .describe('off: speak to the mail server in the clear. Default: on, and off for a server on this machine.'),
  MAIL_FROM: z
    .string()
    .refine((text) => parseMailbox(text) !== undefined, 'must be name@example.com or Name <name@example.com>')
    .optional()
    .describe('Sender of the default tenant, as Name <name@example.com>. With SMTP_URL it has no default.'),
  MAIL_SECRET: z
    .string()
    .min(32, 'must have at least 32 characters')
    .optional()
    .describe('Key of password reset and unsubscribe links, the same for all processes. Default: a file in DATA_DIR.'),
  MAIL_DAILY_CAP: whole(1, 100_000_000).default(1000).describe('Mails that each tenant may send on one day (UTC).'),
  MAIL_AT_MOST_ONCE: z
    .string()
    .regex(/^[a-z-]+(,[a-z-]+)*$/, 'must look like welcome,notification')
    .optional()
    .describe('Templates, with commas, that are never sent again when nobody knows whether they went out.'),
  MAIL_KEEP_DAYS: whole(1, 3650)
    .default(90)
    .describe('Days for which it is known what was sent, and inbox files stay.'),
  MAIL_INBOX_MAX: whole(1, 1_000_000).default(1000).describe('Mails that the local inbox holds; the oldest go.'),
  DKIM_DOMAIN: z.string().min(1).optional().describe('Domain that mail is signed for. Needs the next two as well.'),
  DKIM_SELECTOR: z.string().min(1).optional().describe('Name of the DKIM key in DNS: <selector>._domainkey.<domain>.'),
  DKIM_KEY: z.string().min(1).optional().describe('Private DKIM key as PEM; \\n may stand for a line break.'),
  PUBLIC_URL: z
    .url({ protocol: /^https?$/, error: 'must be http://… or https://…' })
    .optional()
    .describe('Where mail readers reach this service: base of the unsubscribe links. Default: PORT on loopback.'),
  PASSWORD_RESET_URL: z
    .url({ protocol: /^https?$/, error: 'must be http://… or https://…' })
    .optional()
    .describe('Page that takes a password reset token as ?token=. Unset: the mail shows the token itself.'),

  // One machine (`npm start`)
  DATA_DIR: z.string().min(1).default('.data').describe('Folder of the private stores and the state file.'),
  FORMATION: z
    .string()
    .regex(/^[a-z][a-z0-9-]*=\d{1,3}(,[a-z][a-z0-9-]*=\d{1,3})*$/, 'must look like web=1,worker=3')
    .default('web=1,worker=1')
    .describe('How many processes of each Procfile line `npm start` runs.'),
  MILLRACE_INSTALL: z
    .enum(['auto', 'never'])
    .default('auto')
    .describe(
      'auto: install a missing redis-server, ffmpeg and pocketsphinx with apt or brew. never: say how instead.',
    ),
});
