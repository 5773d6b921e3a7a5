/** Every minute: let conversations go on that stand still, as when a process died at the wrong moment. */

import { defineCleanup } from '../../src/queue/cleanup.ts';

export default defineCleanup({
  name: 'cleanup.release-stuck-conversations',
  about: 'Release conversations whose state has expired or whose next message was cancelled.',
  every: 60_000,
  attempts: 1,
  timeoutMs: 60_000,
  expiresMs: 120_000,
  owner: ({ conversations }) => conversations,
});
