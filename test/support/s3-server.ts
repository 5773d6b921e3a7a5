/** A server that speaks S3 in the test's own process, with one bucket and its files in a folder that goes with it. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import S3rver from 's3rver';

export interface S3Server {
  /** As the variables of the configuration say it. */
  readonly environment: Readonly<
    Record<'S3_ENDPOINT' | 'S3_BUCKET' | 'S3_REGION' | 'S3_ACCESS_KEY' | 'S3_SECRET_KEY', string>
  >;
  /** May be called twice. */
  close(): Promise<void>;
}

const BUCKET = 'millrace-media';
/** The only pair of keys that this server knows. */
const KEY = 'S3RVER';

export async function startS3(): Promise<S3Server> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-s3-'));
  const address = '127.0.0.1';
  const server = new S3rver({ port: 0, address, silent: true, directory, configureBuckets: [{ name: BUCKET }] });
  const { port } = await server.run();
  let closing: Promise<void> | undefined;
  return {
    environment: {
      S3_ENDPOINT: `http://${address}:${port}`,
      S3_BUCKET: BUCKET,
      S3_REGION: 'us-east-1',
      S3_ACCESS_KEY: KEY,
      S3_SECRET_KEY: KEY,
    },
    close: () => {
      closing ??= server.close().then(() => rm(directory, { recursive: true, force: true }));
      return closing;
    },
  };
}
