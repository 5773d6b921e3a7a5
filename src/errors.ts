/**
 * Every refusal and failure Millrace can name, in one table.
 *
 * The table drives three things: the HTTP answer (`src/http/problem.ts`), what a worker does with a thrown error
 * (`workers/outcome.ts`) and `docs/errors.md`, which a test compares with this file in both directions.
 */

/** What a worker does when an attempt ends with this error. `later` spends no attempt. */
export type RetryRule = 'never' | 'backoff' | 'later';

interface ErrorRow {
  /** HTTP status of the answer. */
  readonly status: number;
  /** What a worker does with it. */
  readonly retry: RetryRule;
  /** One sentence that stays the same for every occurrence. */
  readonly title: string;
  /** When it is said and what to do about it. */
  readonly cure: string;
}

const row = (status: number, retry: RetryRule, title: string, cure: string): ErrorRow => ({
  status,
  retry,
  title,
  cure,
});

export const ERRORS = {
  // The request could not be read.
  'bad-request': row(400, 'never', 'The request is not valid HTTP.', 'Send one Host header, and a length or chunking.'),
  'malformed-json': row(400, 'never', 'The body is not JSON.', 'Send one JSON object, encoded as UTF-8.'),
  'undecodable-body': row(400, 'never', 'The body could not be decoded.', 'Make Content-Encoding match the bytes sent.'),
  'body-too-large': row(413, 'never', 'The body is larger than the limit.', 'Send at most 256 KB, 4 MB as a list of jobs; keep big data elsewhere.'),
  'unsupported-media-type': row(
    415,
    'never',
    'This content type is not accepted.',
    'Send application/json in UTF-8; a stream of jobs is application/x-ndjson.',
  ),
  'unsupported-encoding': row(415, 'never', 'This content encoding is not accepted.', 'Send identity, gzip, deflate or br.'),
  'method-not-allowed': row(405, 'never', 'This path does not answer that method.', 'Use a method that the Allow header lists.'),
  'not-found': row(404, 'never', 'There is nothing at this path.', 'See GET /v1/definitions and the README for the paths.'),
  'range-not-satisfiable': row(416, 'never', 'The file has no such bytes.', 'Ask for a range within the length that Content-Range names.'),
  'headers-too-large': row(431, 'never', 'The header fields are larger than the limit.', 'Send at most 16 KB of headers.'),
  'request-timeout': row(
    408,
    'never',
    'The request did not arrive in time.',
    'Send the whole request within 30 s; in a stream, let no 30 s pass without a byte.',
  ),

  // The request could be read, and is wrong.
  'invalid-input': row(422, 'never', 'The request is well formed but wrong.', 'Mend each problem at the pointer it names.'),
  'idempotency-key-reused': row(422, 'never', 'This Idempotency-Key was used with another body.', 'Use a new key for a new request.'),
  'unknown-job': row(404, 'never', 'No job definition has this name.', 'GET /v1/definitions lists the names.'),
  'unknown-queue': row(404, 'never', 'No queue has this name.', 'GET /v1/queues lists the names.'),
  'job-not-found': row(
    404,
    'never',
    'There is no such job.',
    'Ids are known for 24 h after the job has finished; fewer when there are more jobs than JOBS_KEEP_MOST.',
  ),
  'job-active': row(409, 'never', 'The job is running.', 'Wait for it to finish.'),
  'job-finished': row(409, 'never', 'The job has already finished.', 'Nothing is left to do.'),
  'job-not-dead': row(409, 'never', 'Only a dead job can be retried.', 'Read its state first.'),

  // Who is asking.
  unauthenticated: row(401, 'never', 'This needs a valid API key.', 'Send Authorization: Bearer <key>; make one with `millrace keys create`.'),
  'login-required': row(401, 'never', 'The board needs a login.', 'Use BOARD_USER and BOARD_PASSWORD; `npm start` prints them.'),
  'not-configured': row(503, 'never', 'This part of the service is not set up.', 'Set the variable that the detail names, and start again.'),
  forbidden: row(403, 'never', 'This is not allowed to you.', 'Ask for the right, or change the setting that it names.'),

  // The service cannot, for now.
  'store-unavailable': row(503, 'later', 'A store that this needs is away.', 'Try again after Retry-After; GET /health says which.'),
  'journal-full': row(
    503,
    'later',
    'The journal of accepted jobs has no room.',
    'Try again after Retry-After; free its disk or raise the limit that the detail names.',
  ),
  'journal-unwritable': row(503, 'later', 'The journal of accepted jobs cannot be written.', 'Try again after Retry-After; mend the disk of JOURNAL_DIR.'),
  'state-unknown': row(503, 'later', 'Nobody can know the state of this job just now.', 'Try again after Retry-After: Redis is away, or has just come back.'),
  'shutting-down': row(503, 'later', 'This process is stopping.', 'Try again; another process will answer.'),
  'resource-held': row(409, 'later', 'Another attempt holds this resource.', 'It is tried again by itself.'),
  'fence-lost': row(409, 'later', 'Somebody wrote this row after we read it.', 'It is tried again by itself from the new state.'),
  'lock-lost': row(409, 'later', 'The lock was lost while the work ran.', 'It is tried again by itself.'),
  'isolated-unavailable': row(503, 'later', 'A process for an isolated job could not be started.', 'It is tried again by itself; the detail says why.'),

  // Somebody else's service.
  'provider-not-configured': row(503, 'never', 'No provider for this work is set up.', 'Set the variable that the detail names, and start again.'),
  'provider-refused': row(502, 'never', 'The provider refuses this work.', 'Read the detail: it names the variable to look at.'),
  'provider-busy': row(503, 'later', 'The provider asks to come later.', 'It is tried again by itself: when the provider says, else after 10 s.'),
  'provider-failed': row(502, 'backoff', 'The provider failed, or broke off in the middle.', 'It is tried again by itself; look at the provider.'),
  'conversation-full': row(429, 'later', 'Too many messages wait for a reply.', 'Send the next one when some of them are answered.'),

  // Files, pictures and what is fetched.
  'media-not-found': row(404, 'never', 'There is no such file.', 'Upload it with POST /v1/media; files that nobody uses are removed.'),
  'media-too-large': row(413, 'never', 'The file is larger than the limit.', 'Send a smaller file or picture, or raise the limit that the detail names.'),
  'media-unsupported': row(415, 'never', 'This kind of file is not worked on.', 'Send a kind that docs/media.md lists; the bytes decide, not the name.'),
  'media-damaged': row(422, 'never', 'The file is empty, cut off or damaged.', 'Send the whole file again.'),
  'link-refused': row(403, 'never', 'This link has expired or is not ours.', 'Ask GET /v1/media/{id} for a fresh one.'),
  'url-refused': row(422, 'never', 'This URL may not be fetched.', 'Name a public https URL, or upload the file with POST /v1/media.'),
  'fetch-refused': row(502, 'never', 'The other server does not give the file.', 'Open the URL yourself, or upload the file with POST /v1/media.'),
  'fetch-failed': row(502, 'backoff', 'The file could not be fetched.', 'It is tried again by itself.'),

  // Recordings.
  'audio-unreadable': row(422, 'never', 'This is no recording that can be read.', 'Send a whole WAV, MP3, Ogg, FLAC, MP4 or WebM file with sound in it.'),
  'audio-too-long': row(422, 'never', 'The recording is longer than the limit.', 'Send it in parts, or raise AUDIO_MAX_SECONDS.'),
  'program-missing': row(503, 'never', 'A program that this needs is not installed.', 'Install what the detail names, and retry the job.'),

  // How an attempt ended.
  'attempt-timed-out': row(504, 'backoff', 'The attempt passed its deadline.', 'Raise timeoutMs or make the work smaller.'),
  'isolated-crashed': row(500, 'backoff', 'The process of an isolated job has crashed.', 'Read the detail; the log has what it printed.'),
  'isolated-crashed-often': row(
    500,
    'never',
    'The process of an isolated job has crashed three times.',
    'Look at what this payload does to it; then retry the job.',
  ),
  'job-expired': row(410, 'never', 'The job was still waiting at its expiry.', 'Add workers, or raise expiresMs.'),
  'job-cancelled': row(409, 'never', 'The job was cancelled.', 'Enqueue it again if it was a mistake.'),
  'payload-invalid': row(422, 'never', 'A stored payload no longer fits its schema.', 'Mend the definition or enqueue a new job.'),
  'result-invalid': row(500, 'never', 'The handler returned what its schema refuses.', 'Mend the handler or the result schema.'),
  'work-refused': row(422, 'never', 'The work can never succeed as asked.', 'Read the detail; change the payload.'),
  internal: row(500, 'backoff', 'Something failed that should not have.', 'Look in the log for the request id.'),

  // Mail.
  'sender-not-verified': row(403, 'never', 'This tenant may not send from this address.', 'Have an operator add it: POST /v1/mail/senders.'),
  'mail-cap-reached': row(429, 'never', 'The tenant has sent its mails of this day.', 'Try again tomorrow (UTC), or raise MAIL_DAILY_CAP.'),
  'mail-server-away': row(503, 'later', 'The mail server cannot be reached.', 'It is tried again by itself; look at SMTP_URL.'),
  'mail-deferred': row(503, 'backoff', 'The mail server did not take the mail for now.', 'It is tried again with growing pauses; the detail has the answer.'),
  'mail-rejected': row(422, 'never', 'The mail server refused the mail for good.', 'Read its answer in the detail; mend the address or the sender.'),
  'mail-unknown': row(
    504,
    'never',
    'Nobody knows whether the mail was sent.',
    'Ask the recipient or the mail server for its Message-ID; enqueue a new job to send it again.',
  ),
  'reset-token-gone': row(410, 'never', 'This password reset token is not valid any more.', 'Ask for a new mail: a token works once, for 30 min.'),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** One thing wrong with an input. `pointer` is an RFC 6901 JSON pointer into the body, or a parameter's name. */
export interface Problem {
  readonly pointer: string;
  readonly message: string;
}

export interface AppErrorOptions {
  /** The error underneath; logged, never sent to a caller. */
  readonly cause?: unknown;
  /** Each thing that is wrong, for `invalid-input`. */
  readonly problems?: readonly Problem[];
  /** Seconds until it makes sense to try again; becomes Retry-After, and the delay of a `later` outcome. */
  readonly retryAfterSeconds?: number;
  /** Extra response headers, such as Allow. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** The one error class: a code from the table and a sentence about this occurrence. */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly code: ErrorCode;
  readonly problems: readonly Problem[];
  readonly retryAfterSeconds: number | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: ErrorCode, detail: string, options: AppErrorOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.problems = options.problems ?? [];
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.headers = options.headers ?? {};
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  get retry(): RetryRule {
    return ERRORS[this.code].retry;
  }
}

/** Thrown by a handler that wants to run again later; spends no attempt and is not an error. */
export class Snooze extends Error {
  override readonly name = 'Snooze';
  readonly delayMs: number;

  constructor(delayMs: number, reason: string) {
    super(reason);
    this.delayMs = delayMs;
  }
}

/** Is this an `AppError`, optionally with this code? */
export function isAppError(error: unknown, code?: ErrorCode): error is AppError {
  return error instanceof AppError && (code === undefined || error.code === code);
}

/** The text of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Is this an error of the system, or of a library, with one of these codes: `ENOENT`, `EEXIST` …? */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && codes.includes(error.code);
}
