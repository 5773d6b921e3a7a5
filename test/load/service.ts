/**
 * The service under load, as far as the load asks it anything: its definitions, its queues, one request, one job.
 *
 * Promises: no call waits longer than its time; a refusal keeps the service's own code; an answer that is not what the
 * API promises is a refusal too.
 */

import { z } from 'zod';
import type { Definition, PlannedRequest } from './requests.ts';
import type { Depth } from './tally.ts';
import { Connections, type Reply } from './transport.ts';

/** What came of one enqueue request. */
export interface Outcome {
  readonly status: number;
  /** Why it was not accepted. */
  readonly code: string | undefined;
  readonly detail: string | undefined;
  readonly jobs: number;
  /** Id of its first job, when it was asked for. */
  readonly id: string | undefined;
}

/** The service cannot be loaded: `message` says why, and the cure. */
export class NoService extends Error {
  override readonly name = 'NoService';
}

const definitionsSchema = z.object({
  definitions: z.array(
    z.object({ name: z.string(), queue: z.string(), example: z.unknown(), payload: z.unknown() }).loose(),
  ),
});
const count = z.number().min(0);
const queuesSchema = z.object({
  queues: z.array(
    z.object({
      name: z.string(),
      counts: z.object({ waiting: count, active: count, delayed: count, prioritized: count.default(0) }),
      workers: count.default(0),
    }),
  ),
});
const codeSchema = z.string().regex(/^[a-z0-9-]{1,64}$/);
const problemSchema = z.object({ code: codeSchema, detail: z.string().default('') });
const bulkSchema = z.object({
  jobs: z.array(
    z.object({ id: z.string().min(1).optional(), code: codeSchema.optional(), detail: z.string().optional() }),
  ),
});
const jobSchema = z.object({ id: z.string().min(1), state: z.string() });
const versionSchema = z.object({ version: z.string().max(64) });

/** One queue, as far as the load looks at it. */
export interface QueueLook extends Depth {
  readonly name: string;
  readonly workers: number;
}

export interface ServiceOptions {
  readonly url: URL;
  readonly apiKey: string | undefined;
  readonly connections: number;
  /** Jobs that may be followed at once; each holds a connection. */
  readonly followers: number;
}

const ASK_MS = 5000;
const MOST_DETAIL = 300;

export class Service {
  readonly #url: URL;
  readonly #work: Connections;
  readonly #asking: Connections;
  readonly #following: Connections;

  constructor({ url, apiKey, connections, followers }: ServiceOptions) {
    this.#url = url;
    this.#work = new Connections({ url, apiKey, most: connections });
    this.#asking = new Connections({ url, apiKey, most: 2 });
    this.#following = new Connections({ url, apiKey, most: followers });
  }

  /** Every kind of job. Throws `NoService`. */
  async definitions(): Promise<Definition[]> {
    const reply = await this.#asking.call({ method: 'GET', path: '/v1/definitions', timeoutMs: ASK_MS });
    const read = reply.status === 200 ? definitionsSchema.safeParse(jsonOf(reply)) : undefined;
    if (read?.success) return read.data.definitions;
    throw new NoService(whyNot(reply, this.#url));
  }

  /** The queues; undefined when they cannot be read just now. */
  async queues(): Promise<QueueLook[] | undefined> {
    const reply = await this.#asking.call({ method: 'GET', path: '/v1/queues', timeoutMs: ASK_MS });
    const read = reply.status === 200 ? queuesSchema.safeParse(jsonOf(reply)) : undefined;
    if (!read?.success) return undefined;
    return read.data.queues.map(({ name, workers, counts: { waiting, prioritized, active, delayed } }) => ({
      name,
      workers,
      waiting: waiting + prioritized,
      active,
      delayed,
    }));
  }

  /** The service's version; undefined when it does not tell. */
  async version(): Promise<string | undefined> {
    const reply = await this.#asking.call({ method: 'GET', path: '/health', timeoutMs: ASK_MS });
    return versionSchema.safeParse(jsonOf(reply)).data?.version;
  }

  /**
   * Send one request. `wantsId`: read the answer for the id of its first job. A bulk request of which a job was refused
   * has failed, with the code of the first refusal; the jobs that were accepted count all the same.
   */
  async enqueue({ path, body, jobs }: PlannedRequest, timeoutMs: number, wantsId: boolean): Promise<Outcome> {
    const reads = (status: number) => wantsId || jobs > 1 || !isAccepted(status);
    const reply = await this.#work.call({ method: 'POST', path, body, timeoutMs, reads });
    const { status } = reply;
    if (!isAccepted(status)) return { status, ...refusalOf(reply), jobs: 0, id: undefined };
    const accepted = { status, code: undefined, detail: undefined };
    if (jobs === 1) return { ...accepted, jobs, id: wantsId ? jobSchema.safeParse(jsonOf(reply)).data?.id : undefined };
    const items = bulkSchema.safeParse(jsonOf(reply)).data?.jobs;
    if (items === undefined) return { ...accepted, code: 'not-understood', jobs: 0, id: undefined };
    const ids = items.flatMap(({ id }) => id ?? []);
    const refused = items.find(({ id }) => id === undefined);
    const why = refused === undefined ? {} : { code: refused.code ?? 'not-understood', detail: refused.detail };
    return { ...accepted, ...why, jobs: ids.length, id: wantsId ? ids[0] : undefined };
  }

  /** Wait at most `waitMs` for a job to finish; its state then, or undefined when nobody could tell. */
  async state(id: string, waitMs: number): Promise<string | undefined> {
    const seconds = Math.max(0, Math.floor(waitMs / 1000));
    const path = `/v1/jobs/${encodeURIComponent(id)}?wait=${seconds}`;
    const reply = await this.#following.call({ method: 'GET', path, timeoutMs: seconds * 1000 + ASK_MS });
    return reply.status === 200 ? jobSchema.safeParse(jsonOf(reply)).data?.state : undefined;
  }

  /** End the calls of `state`; those in progress tell nothing any more. */
  stopFollowing(): void {
    this.#following.close();
  }

  /** End every connection; calls in progress end as `cancelled`. */
  close(): void {
    for (const connections of [this.#work, this.#asking, this.#following]) connections.close();
  }
}

function isAccepted(status: number): boolean {
  return status >= 200 && status < 300;
}

function jsonOf({ text }: Reply): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The code of a refusal: the service's own, else the status, else why there was no answer. */
function refusalOf(reply: Reply): { code: string; detail: string | undefined } {
  if (reply.code !== undefined) return { code: reply.code, detail: undefined };
  const problem = problemSchema.safeParse(jsonOf(reply)).data;
  if (problem === undefined) return { code: `http-${reply.status}`, detail: undefined };
  return { code: problem.code, detail: problem.detail.slice(0, MOST_DETAIL) };
}

function whyNot(reply: Reply, url: URL): string {
  const { code, detail } = refusalOf(reply);
  if (reply.status === 0) {
    return `Nothing answers at ${url.origin} (${code}). Start the service with \`npm start\` in another terminal, or name it with --url.`;
  }
  if (reply.status === 401) {
    return `${url.origin} asks for an API key. Give one with --api-key; \`npm run -s millrace -- keys create\` makes one.`;
  }
  if (reply.status === 200) return `What answers at ${url.origin} is no Millrace. Name the service with --url.`;
  const said = detail ? `: ${detail}` : '.';
  return `${url.origin} answered ${reply.status} (${code}) to GET /v1/definitions${said} Look at ${url.origin}/health.`;
}
