/** Every night: what Redis remembers of journals that are gone for good. */

import { defineCleanup } from '../../src/queue/cleanup.ts';

export default defineCleanup({
  name: 'cleanup.forget-journal-marks',
  about: 'Remove the marks of journals that have shown no life for as long as records are kept.',
  every: '27 4 * * *',
  owner: ({ housekeeping }) => housekeeping.journalMarks,
});
