/** Every hour: remove decoded recordings that killed processes have left on this machine's disk. */

import { defineCleanup } from '../../src/queue/cleanup.ts';

export default defineCleanup({
  name: 'cleanup.remove-decoded-audio',
  about: 'Remove the private folders that killed transcriptions have left on the disk of the machine that runs this.',
  every: '47 * * * *',
  owner: ({ audio }) => audio,
});
