/** The API keys for as long as one command runs. */

import { ApiKeys } from '../access/api-keys.ts';
import type { LocalConfig } from '../config.ts';
import { connectDatabase } from '../database/connection.ts';
import { storeUrl } from './terminal.ts';

/** Connect, run `work`, close whatever happens. */
export async function withApiKeys<T>(config: LocalConfig, work: (apiKeys: ApiKeys) => Promise<T>): Promise<T> {
  const database = connectDatabase({
    url: storeUrl(config, 'DATABASE_URL'),
    schema: config.DATABASE_SCHEMA,
    poolSize: 1,
    name: 'cli',
  });
  try {
    return await work(new ApiKeys({ database }));
  } finally {
    await database.destroy();
  }
}
