/** BullMQ as it is, without options: what most people run. */

import { Queue, Worker } from 'bullmq';
import { type Payload, type RivalPlace, serveRival, type WorkOptions } from './rival.ts';

let queue: Queue;
let place: RivalPlace;

const connection = () => {
  const { hostname, port, password } = new URL(place.redisUrl);
  return { host: hostname, port: Number(port), password };
};

serveRival({
  async open(given) {
    place = given;
    queue = new Queue('work', { connection: connection(), prefix: given.name });
    await queue.waitUntilReady();
  },
  addOne: (payload: Payload, extras) => queue.add('no-op', payload, extras),
  addMany: (payloads, extras = {}) => queue.addBulk(payloads.map((data) => ({ name: 'no-op', data, opts: extras }))),
  async work({ concurrency, started, finished }: WorkOptions) {
    const worker = new Worker('work', async (job) => started(job.data), {
      connection: { ...connection(), maxRetriesPerRequest: null },
      prefix: place.name,
      concurrency,
    });
    worker.on('completed', () => finished(1));
    worker.on('failed', (_job, error) => process.stderr.write(`bullmq: ${error.message}\n`));
    await worker.waitUntilReady();
  },
});
