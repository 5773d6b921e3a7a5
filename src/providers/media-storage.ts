/** Which storage the configuration asks for: a folder, or a server that speaks S3. Opens nothing. */

import { join } from 'node:path';
import type { Config } from '../config.ts';
import { FolderStorage } from './folder-storage.ts';
import { S3Storage } from './s3-storage.ts';
import type { Storage } from './storage.ts';

/** The folder of files, of uploads under way and of the key that signs links. */
export function mediaFolder({ MEDIA_DIR, DATA_DIR }: Config): string {
  return MEDIA_DIR ?? join(DATA_DIR, 'media');
}

export function storageFor(config: Config): Storage {
  const folder = mediaFolder(config);
  const { S3_ENDPOINT, S3_BUCKET = '', S3_REGION, S3_ACCESS_KEY = '', S3_SECRET_KEY = '' } = config;
  if (S3_ENDPOINT === undefined) return new FolderStorage({ folder });
  return new S3Storage({
    endpoint: S3_ENDPOINT,
    bucket: S3_BUCKET,
    region: S3_REGION,
    accessKey: S3_ACCESS_KEY,
    secretKey: S3_SECRET_KEY,
    folder,
  });
}
