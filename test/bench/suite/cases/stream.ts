/** One request with very many lines: is its memory flat, and what does a backlog that lies in the journal cost? */

import { type Case, roundsOf, sized } from '../bench.ts';
import { HttpLoad } from '../http-load.ts';
import { measure } from '../measure.ts';
import { Millrace } from '../millrace.ts';
import { residentMb } from '../processor-time.ts';
import { inRounds } from '../rounds.ts';

const LOOK_MS = 100;

export const streamCase: Case = async (stage) => {
  const { bench } = stage;
  const [redis, cache, postgres] = await Promise.all([stage.redis(), stage.cache(), stage.postgres()]);
  const lines = sized(stage, 1_000_000, 20_000);
  const http = new HttpLoad(stage);
  const [ours, other] = [
    await Millrace.start(stage, { redis, cache, postgres, name: 'ours' }),
    await Millrace.start(stage, { redis, cache, postgres, name: 'other' }),
  ];
  for (const service of [ours, other]) service.freezeWorkers();
  const web = ours.webs[0]?.pid ?? 0;

  const slice = () =>
    measure({ node: [web], redis: [redis.pid()] }, async () => {
      const startMb = await residentMb(web);
      const seen: { ms: number; mb: number }[] = [];
      const startedMs = performance.now();
      let looking = Promise.resolve();
      const timer = setInterval(() => {
        looking = residentMb(web).then((mb) => void seen.push({ ms: performance.now() - startedMs, mb }));
      }, LOOK_MS);
      const [target] = ours.lines(1);
      if (target === undefined) throw new Error('no web process');
      const line = { ...target, body: target.body.trim().replace('{at}', '12345678901').replaceAll('{n}', '1') };
      const { ms, answers, good } = await http.client.call('stream', line, lines, '"id"').finally(() => {
        clearInterval(timer);
      });
      await looking;
      if (good !== lines) throw new Error(`${good} of ${lines} lines were accepted; ${answers} were answered`);
      const early = seen.filter((each) => each.ms <= ms * 0.2).map(({ mb }) => mb);
      const all = seen.map(({ mb }) => mb);
      return { jobs: lines, ms, startMb, earlyMb: Math.max(startMb, ...early), peakMb: Math.max(startMb, ...all) };
    });
  const stream = await inRounds(
    {
      id: 'stream',
      title: `One NDJSON request of ${lines.toLocaleString('en')} lines`,
      compared: 'rate',
      notes: ['"RSS at 20 %" is the most in the first fifth of the request: what grows afterwards is not flat.'],
    },
    [{ name: 'ours', slice }],
    { rounds: 1, warmUps: 0, say: (text) => bench.say(text) },
  );
  const seconds = sized(stage, 2, 1);
  const single = (service: Millrace) => () =>
    measure({ node: service.webs.map(({ pid }) => pid), redis: [redis.pid()] }, () =>
      http.busy(service.single(), 64, seconds),
    );
  const fresh = 'ours, a fresh journal';
  const after = await inRounds(
    {
      id: 'stream-after',
      title: `Single enqueue over HTTP, 64 connections, with ${lines.toLocaleString('en')} unfinished jobs in the journal`,
      compared: 'rate',
    },
    [
      { name: fresh, slice: single(other), rest: () => other.clear() },
      { name: 'ours, a full journal', against: fresh, slice: single(ours) },
    ],
    roundsOf(stage),
  );
  return [stream, after];
};
