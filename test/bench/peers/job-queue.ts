/** Platformatic's job-queue on Redis. It asks for Node 22.19 and has no older version; what is used here runs on 20. */

import { type Payload, serveRival } from '../suite/actors/rival.ts';
import { loadPeer } from './peer.ts';

interface JobQueue {
  start(): Promise<void>;
  enqueue(id: string, payload: Payload): Promise<unknown>;
  execute(handler: (job: { readonly payload: Payload }) => Promise<unknown>): void;
  on(event: 'completed' | 'error', listener: (value: unknown) => void): void;
}
interface Exports {
  readonly Queue: new (settings: object) => JobQueue;
  readonly RedisStorage: new (settings: object) => unknown;
}

let exported: Exports;
let place: { readonly url: string; readonly keyPrefix: string };
let producer: JobQueue;
let next = 0;

const newQueue = (concurrency: number) => {
  const queue = new exported.Queue({ storage: new exported.RedisStorage(place), concurrency });
  queue.on('error', (error) => process.stderr.write(`job-queue: ${String(error)}\n`));
  return queue;
};
const add = (payload: Payload) => producer.enqueue(`job-${process.pid}-${next++}`, payload);

serveRival({
  async open({ redisUrl, name }) {
    exported = await loadPeer<Exports>('@platformatic/job-queue');
    place = { url: redisUrl, keyPrefix: `${name}:` };
    producer = newQueue(1);
    await producer.start();
  },
  addOne: add,
  // It has no bulk call: the next best is to send them all at once.
  addMany: (payloads) => Promise.all(payloads.map(add)),
  async work({ concurrency, started, finished }) {
    const queue = newQueue(concurrency);
    queue.execute(async (job) => {
      started(job.payload);
      return null;
    });
    queue.on('completed', () => finished(1));
    await queue.start();
  },
});
