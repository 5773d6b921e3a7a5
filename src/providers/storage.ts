/**
 * Where the bytes of files lie: the port. `folder-storage.ts` is a folder, `s3-storage.ts` a server that speaks S3.
 *
 * What every implementation promises: bytes are under a key whole or not at all; a key is written once and never again;
 * what goes wrong on the way leaves nothing but a draft, which `removeDrafts` finds. Every call ends: the store away, or
 * full, is `store-unavailable`. Keys are `<tenant>/<uuid>`.
 */

import type { Readable } from 'node:stream';
import type { Removal, RemovalRun } from '../removal.ts';

/** Bytes that were taken and have no key yet. Either call ends it; after a failed `keep` call `discard`. */
export interface Draft {
  /** Give the bytes their key: they are durable when this resolves. */
  keep(key: string): Promise<void>;
  /** Forget the bytes. Never rejects. */
  discard(): Promise<void>;
}

/** First and last byte, both included. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** An object as a sweep sees it. */
export interface StoredObject {
  readonly key: string;
  readonly bytes: number;
  readonly storedAt: Date;
}

export interface SweepOptions extends Pick<RemovalRun, 'dryRun' | 'signal'> {
  /** Only what is older than this. */
  readonly before: Date;
}

export interface Storage {
  /** Take all of `source`. What it throws, this throws, and nothing is left. */
  receive(source: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<Draft>;
  /** Read an object or a part of it; undefined when there is none. Destroy the stream when you stop early. */
  open(key: string, range?: ByteRange, signal?: AbortSignal): Promise<Readable | undefined>;
  /** How many bytes an object has; undefined when there is none. */
  bytesOf(key: string): Promise<number | undefined>;
  /** Remove objects; one that is not there is no error. */
  remove(keys: readonly string[], signal?: AbortSignal): Promise<void>;
  /** Every object, in pages of at most 500. */
  pages(signal: AbortSignal): AsyncIterable<readonly StoredObject[]>;
  /** Remove drafts that a dead process left on this machine. */
  removeDrafts(options: SweepOptions): Promise<Removal>;
}

const KEY = /^[a-z0-9-]{1,64}\/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Is this a key of ours? Guards paths and URLs that are made from it. */
export function isStorageKey(key: string): boolean {
  return KEY.test(key);
}
