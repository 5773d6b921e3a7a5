/** graphile-worker at its best: jobs added, fetched and completed in batches. The URL says how durable a commit is. */

import { type Payload, type RivalPlace, serveRival } from '../suite/actors/rival.ts';
import { loadPeer } from './peer.ts';

interface WorkerUtils {
  migrate(): Promise<void>;
  addJob(task: string, payload: Payload): Promise<unknown>;
  addJobs(jobs: readonly { readonly identifier: string; readonly payload: Payload }[]): Promise<unknown>;
}
interface Runner {
  readonly events: { on(event: 'job:complete', listener: () => void): void };
}
interface Exports {
  makeWorkerUtils(options: object): Promise<WorkerUtils>;
  run(options: object): Promise<Runner>;
  readonly Logger: new (factory: () => (level: string, message: string) => void) => unknown;
}

const TASK = 'no-op';

let exported: Exports;
let place: RivalPlace;
let adder: WorkerUtils;

const schemaOf = ({ name }: RivalPlace) => name.replaceAll('-', '_');
const logger = () =>
  new exported.Logger(() => (level, message) => {
    if (level === 'error') process.stderr.write(`graphile-worker: ${message}\n`);
  });

serveRival({
  async open(given) {
    place = given;
    exported = await loadPeer<Exports>('graphile-worker');
    const { databaseUrl: connectionString } = place;
    adder = await exported.makeWorkerUtils({ connectionString, schema: schemaOf(place), logger: logger() });
    await adder.migrate();
  },
  addOne: (payload) => adder.addJob(TASK, payload),
  addMany: (payloads) => adder.addJobs(payloads.map((payload) => ({ identifier: TASK, payload }))),
  async work({ concurrency, started, finished }) {
    const runner = await exported.run({
      connectionString: place.databaseUrl,
      schema: schemaOf(place),
      logger: logger(),
      noHandleSignals: true,
      concurrency,
      preset: {
        worker: {
          schema: schemaOf(place),
          concurrentJobs: concurrency,
          maxPoolSize: 10,
          completeJobBatchDelay: 0,
          failJobBatchDelay: 0,
          localQueue: { size: 500 },
        },
      },
      taskList: { [TASK]: async (payload: unknown) => started(payload) },
    });
    runner.events.on('job:complete', () => finished(1));
  },
});
