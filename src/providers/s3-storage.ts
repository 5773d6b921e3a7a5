/**
 * Storage on a server that speaks S3, in one bucket, path-style (`<endpoint>/<bucket>/<tenant>/<uuid>`).
 *
 * Promises: an object is written by one PUT of known length, so it is there whole or not at all; every request has a
 * deadline; the server away, or a key it refuses, is `store-unavailable`. Bytes wait in a draft on this machine's disk
 * first, because their length and hash are only known at their end.
 */

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { AwsClient } from 'aws4fetch';
import { AppError, isAppError, messageOf } from '../errors.ts';
import type { Removal } from '../removal.ts';
import { Drafts } from './drafts.ts';
import {
  type ByteRange,
  type Draft,
  isStorageKey,
  type Storage,
  type StoredObject,
  type SweepOptions,
} from './storage.ts';

/** Milliseconds for a request with small bodies, and until the answer to a large one begins. */
const REQUEST_MS = 15_000;
/** The least bytes a second that a transfer is given time for. */
const SLOWEST = 100_000;
const PAGE = 500;

export interface S3StorageOptions {
  readonly endpoint: string;
  readonly bucket: string;
  readonly region: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** Drafts wait here, in `uploads/`. */
  readonly folder: string;
}

interface Sending {
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Readable;
  readonly ms?: number;
  readonly signal?: AbortSignal | undefined;
}

export class S3Storage implements Storage {
  readonly #client: AwsClient;
  readonly #bucketUrl: string;
  readonly #drafts: Drafts;

  constructor({ endpoint, bucket, region, accessKey, secretKey, folder }: S3StorageOptions) {
    this.#client = new AwsClient({
      accessKeyId: accessKey,
      secretAccessKey: secretKey,
      service: 's3',
      region,
      retries: 0,
    });
    this.#bucketUrl = `${endpoint.replace(/\/+$/, '')}/${bucket}`;
    this.#drafts = new Drafts({ folder: join(folder, 'uploads') });
  }

  async receive(source: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<Draft> {
    const path = await this.#drafts.write(source, signal);
    return { keep: (key) => this.#put(key, path, signal), discard: () => this.#drafts.remove(path) };
  }

  async open(key: string, range?: ByteRange, signal?: AbortSignal): Promise<Readable | undefined> {
    const headers = range && { range: `bytes=${range.start}-${range.end}` };
    const answer = await this.#send('GET', urlPath(key), { ...(headers && { headers }), signal });
    if (answer === undefined || answer.body === null) return undefined;
    if (range !== undefined && answer.status !== 206) throw away('ignores ranges');
    return Readable.fromWeb(answer.body as ReadableStream<Uint8Array>);
  }

  async bytesOf(key: string): Promise<number | undefined> {
    const answer = await this.#send('HEAD', urlPath(key));
    const length = answer?.headers.get('content-length');
    return length === undefined || length === null ? undefined : Number(length);
  }

  async remove(keys: readonly string[], signal?: AbortSignal): Promise<void> {
    for (const key of keys) await drained(await this.#send('DELETE', urlPath(key), { signal }));
  }

  async *pages(signal: AbortSignal): AsyncIterable<readonly StoredObject[]> {
    let after = '';
    for (;;) {
      const query = `?marker=${encodeURIComponent(after)}&max-keys=${PAGE}`;
      const answer = await this.#send('GET', '', { query, signal });
      const xml = (await answer?.text()) ?? '';
      const found = [...xml.matchAll(/<Contents>(.*?)<\/Contents>/gs)].map(([, content = '']) => objectOf(content));
      const objects = found.filter(({ key }) => isStorageKey(key));
      if (objects.length > 0) yield objects;
      const last = found.at(-1)?.key;
      if (last === undefined || !/<IsTruncated>true<\/IsTruncated>/.test(xml)) return;
      after = last;
    }
  }

  removeDrafts(options: SweepOptions): Promise<Removal> {
    return this.#drafts.sweep(options);
  }

  async #put(key: string, path: string, signal: AbortSignal | undefined): Promise<void> {
    const { size } = await stat(path);
    const body = createReadStream(path);
    const ms = REQUEST_MS + Math.ceil((size / SLOWEST) * 1000);
    try {
      const headers = { 'content-length': String(size), 'content-type': 'application/octet-stream' };
      await drained(await this.#send('PUT', urlPath(key), { body, headers, ms, signal }));
    } finally {
      body.destroy();
    }
  }

  /** The answer; undefined for 404. Throws `store-unavailable` for everything else that is not a success. */
  async #send(method: string, path: string, sending: Sending = {}): Promise<Response | undefined> {
    const { query = '', headers = {}, body, ms = REQUEST_MS, signal } = sending;
    const late = AbortSignal.timeout(ms);
    try {
      // Signed without the body, which is on its way only once; TLS keeps it whole.
      const signed = await this.#client.sign(this.#bucketUrl + path + query, {
        method,
        headers: { ...headers, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' },
      });
      const answer = await fetch(signed.url, {
        method,
        headers: { ...headers, ...Object.fromEntries(signed.headers) },
        redirect: 'error',
        signal: signal === undefined ? late : AbortSignal.any([signal, late]),
        ...(body && { body: Readable.toWeb(body) as ReadableStream<Uint8Array>, duplex: 'half' }),
      });
      if (answer.ok) return answer;
      await drained(answer);
      if (answer.status === 404 && path !== '' && method !== 'PUT') return undefined;
      throw away(`answered ${answer.status} to ${method}`);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw isAppError(error) ? error : away(`does not answer: ${messageOf(error)}`, error);
    }
  }
}

function urlPath(key: string): string {
  if (!isStorageKey(key)) throw new AppError('internal', `"${key}" is no key of a stored file.`);
  return `/${key}`;
}

/** Our keys and the facts beside them need no unescaping. */
function objectOf(xml: string): StoredObject {
  const field = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1] ?? '';
  return { key: field('Key'), bytes: Number(field('Size')), storedAt: new Date(field('LastModified')) };
}

/** Read an answer to its end, so that its connection can be used again. */
async function drained(answer: Response | undefined): Promise<void> {
  await answer?.arrayBuffer();
}

function away(why: string, cause?: unknown): AppError {
  return new AppError('store-unavailable', `The S3 store ${why}.`, { cause, retryAfterSeconds: 5 });
}
