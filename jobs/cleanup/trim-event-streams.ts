/** Every hour: events that are too old, and that every group has read. */

import { defineCleanup } from '../../src/queue/cleanup.ts';

export default defineCleanup({
  name: 'cleanup.trim-event-streams',
  about: 'Remove old events from the streams of all tenants, except what a consumer group has not read.',
  every: '49 * * * *',
  owner: ({ housekeeping }) => housekeeping.eventStreams,
});
