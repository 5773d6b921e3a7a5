/** The BullMQ version that is installed, and the one whose keys our own scripts know. */

import { createRequire } from 'node:module';

/** The BullMQ version that our scripts write the keys of. With another one BullMQ's own means are used. */
export const SCRIPTED_VERSION = '6.7.0';

/** The version of BullMQ that this process would load. */
export function installedBullmqVersion(): string {
  const { version } = createRequire(import.meta.url)('bullmq/package.json') as { readonly version: string };
  return version;
}
