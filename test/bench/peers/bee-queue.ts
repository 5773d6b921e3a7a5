/** bee-queue at its best: no events over the wire, nothing kept of what is done. Redis decides what survives. */

import { type Payload, serveRival } from '../suite/actors/rival.ts';
import { loadPeer } from './peer.ts';

interface BeeJob {
  readonly data: Payload;
  save(): Promise<unknown>;
}
interface BeeQueue {
  createJob(data: Payload): BeeJob;
  saveAll(jobs: readonly BeeJob[]): Promise<Map<BeeJob, Error>>;
  process(concurrency: number, handler: (job: BeeJob) => Promise<unknown>): void;
  on(event: 'succeeded' | 'error', listener: (value: unknown) => void): void;
  ready(): Promise<unknown>;
}
interface Exports {
  readonly default: new (name: string, settings: object) => BeeQueue;
}

let queue: BeeQueue;

serveRival({
  async open({ redisUrl, name }) {
    const { default: Queue } = await loadPeer<Exports>('bee-queue');
    queue = new Queue(name, {
      redis: redisUrl,
      getEvents: false,
      sendEvents: false,
      storeJobs: false,
      removeOnSuccess: true,
    });
    queue.on('error', (error) => process.stderr.write(`bee-queue: ${String(error)}\n`));
    await queue.ready();
  },
  addOne: (payload) => queue.createJob(payload).save(),
  async addMany(payloads) {
    const errors = await queue.saveAll(payloads.map((payload) => queue.createJob(payload)));
    for (const error of errors.values()) throw error;
  },
  async work({ concurrency, started, finished }) {
    queue.on('succeeded', () => finished(1));
    queue.process(concurrency, async (job) => started(job.data));
  },
});
