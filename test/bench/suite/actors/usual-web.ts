/** The usual service: Express, `express.json`, zod, `await queue.add`. As most people write it, with nothing tuned. */

import type { AddressInfo } from 'node:net';
import { Queue } from 'bullmq';
import express from 'express';
import { z } from 'zod';
import { serve } from './serve.ts';

const payload = z.strictObject({
  at: z.int(),
  userId: z.string().min(1).max(128),
  contentId: z.string().min(1).max(128),
  text: z.string().max(100_000),
  tone: z.enum(['plain', 'warm']),
});
const single = z.strictObject({ job: z.string(), payload });
const bulk = z.strictObject({ jobs: z.array(single).min(1).max(1000) });

const commands = {
  /** Listen; the port. */
  open(redisUrl: string, prefix: string): Promise<number> {
    const { hostname, port, password } = new URL(redisUrl);
    const queue = new Queue('work', { connection: { host: hostname, port: Number(port), password }, prefix });
    const app = express();
    app.use(express.json());
    app.post('/v1/jobs', async (request, response) => {
      const parsed = single.safeParse(request.body);
      if (!parsed.success) return response.status(400).json({ error: parsed.error.issues });
      const job = await queue.add('no-op', parsed.data.payload);
      return response.status(202).json({ id: job.id, state: 'waiting' });
    });
    app.post('/v1/jobs/bulk', async (request, response) => {
      const parsed = bulk.safeParse(request.body);
      if (!parsed.success) return response.status(400).json({ error: parsed.error.issues });
      const jobs = await queue.addBulk(parsed.data.jobs.map((each) => ({ name: 'no-op', data: each.payload })));
      return response.status(202).json({ jobs: jobs.map(({ id }) => ({ id, state: 'waiting' })) });
    });
    return new Promise((resolve) => {
      const server = app.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
    });
  },
};

export type UsualWebCommands = typeof commands;

serve(commands);
