/** pg-boss at its best: many jobs an insert, many a fetch, many a completion. The URL says how durable a commit is. */

import { type Payload, serveRival } from '../suite/actors/rival.ts';
import { loadPeer } from './peer.ts';

interface Boss {
  on(event: 'error', listener: (error: Error) => void): void;
  start(): Promise<unknown>;
  createQueue(name: string): Promise<unknown>;
  send(name: string, data: Payload): Promise<unknown>;
  insert(jobs: readonly { readonly name: string; readonly data: Payload }[]): Promise<unknown>;
  fetch(name: string, options: { batchSize: number }): Promise<{ readonly id: string; readonly data: Payload }[]>;
  complete(name: string, ids: readonly string[]): Promise<unknown>;
}
interface Exports {
  readonly default: new (settings: object) => Boss;
}

const QUEUE = 'work';
/** Milliseconds between two looks at an empty queue: its own worker looks every half second at most. */
const EMPTY_MS = 2;

let boss: Boss;

serveRival({
  async open({ databaseUrl, name }) {
    const { default: PgBoss } = await loadPeer<Exports>('pg-boss');
    boss = new PgBoss({
      connectionString: databaseUrl,
      schema: name.replaceAll('-', '_'),
      max: 10,
      supervise: false,
      schedule: false,
    });
    boss.on('error', (error) => process.stderr.write(`pg-boss: ${error.message}\n`));
    await boss.start();
    await boss.createQueue(QUEUE);
  },
  addOne: (payload) => boss.send(QUEUE, payload),
  addMany: (payloads) => boss.insert(payloads.map((data) => ({ name: QUEUE, data }))),
  async work({ started, finished }) {
    const lane = async () => {
      for (;;) {
        const jobs = await boss.fetch(QUEUE, { batchSize: 1000 });
        if (jobs.length === 0) {
          await new Promise((resolve) => setTimeout(resolve, EMPTY_MS));
          continue;
        }
        for (const job of jobs) started(job.data);
        await boss.complete(
          QUEUE,
          jobs.map(({ id }) => id),
        );
        finished(jobs.length);
      }
    };
    lane().catch((error: unknown) => process.stderr.write(`pg-boss: ${String(error)}\n`));
  },
});
