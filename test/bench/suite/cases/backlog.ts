/**
 * What a backlog does to everything else: the same short slices beside 1 k to 1 M waiting jobs, all levels in turn.
 *
 * Each level has a Redis, a web process and a worker of its own, so that a round meets all levels within seconds.
 */

import type { Environment } from '../../../../src/config.ts';
import { type Case, roundsOf, sized } from '../bench.ts';
import { HttpLoad } from '../http-load.ts';
import { type JobExtras, Millrace } from '../millrace.ts';
import { ourPlayer, type Player, prepare, rawPlayer, takeTurn, turnForms } from '../player.ts';
import type { Line } from '../queue-view.ts';
import { allInRounds } from '../rounds.ts';
import type { Section } from '../samples.ts';
import { Stage } from '../stage.ts';

const LOWEST = 1000;
/** At this one two are enough: each has a backlog of its own. */
const LARGEST = 1_000_000;
const LEVELS = [LOWEST, 10_000, 100_000, LARGEST];
const DAY_MS = 86_400_000;
const PRIORITY = 10;

interface Kind {
  readonly id: 'plain' | 'prioritised' | 'delayed';
  readonly about: string;
  /** Where the backlog lies. */
  readonly line: Line;
  /** Where what is measured lies, and what it asks for. */
  readonly measured: { readonly line: Line; readonly extras: JobExtras };
  readonly most: number;
}

const PLAIN = { line: 'wait', extras: {} } as const;
const KINDS: readonly Kind[] = [
  { id: 'plain', about: 'plain jobs', line: 'wait', measured: PLAIN, most: LARGEST },
  {
    id: 'prioritised',
    about: 'prioritised jobs',
    line: 'prioritized',
    measured: { line: 'prioritized', extras: { priority: PRIORITY } },
    most: LARGEST,
  },
  // They lie in a set of their own: the question is what they do to the plain ones beside them.
  { id: 'delayed', about: 'delayed jobs, plain ones measured', line: 'delayed', measured: PLAIN, most: 100_000 },
];

interface Competitor {
  readonly name: string;
  readonly against: string | undefined;
  readonly level: number;
  readonly player: Player;
}

export const backlogCase: Case = async (stage) => {
  const sections: Section[] = [];
  for (const kind of KINDS) {
    // A stage of its own: a million jobs are gone before the next million come.
    const own = new Stage(stage.bench);
    stage.onEnd(() => own.end());
    sections.push(...(await besideBacklog(own, kind)));
    await own.end();
  }
  return sections;
};

async function besideBacklog(stage: Stage, kind: Kind): Promise<Section[]> {
  const { bench } = stage;
  const [cache, postgres] = await Promise.all([stage.cache(), stage.postgres()]);
  const highest = Math.min(kind.most, sized(stage, LARGEST, 10_000));
  const competitors: Competitor[] = [];
  for (const level of LEVELS.filter((each) => each <= highest)) {
    bench.say(`backlog of ${level.toLocaleString('en')} ${kind.about}`);
    const redis = await stage.redis();
    const { extras } = kind.measured;
    const ours = async (name: string, environment: Environment = {}) => {
      const service = await Millrace.start(stage, { redis, cache, postgres, name: `${name}-${level}`, environment });
      return ourPlayer(service, new HttpLoad(stage), redis.pid(), extras);
    };
    const players = {
      ours: await ours('level'),
      ...(level < LARGEST && { 'ours, ACCEPT=redis,': await ours('direct', { ACCEPT: 'redis' }) }),
      raw: await rawPlayer(stage, { redisUrl: redis.url, redis: redis.pid(), name: 'raw', extras }),
    };
    for (const [who, player] of Object.entries(players)) {
      await prepare(player, kind.measured.line);
      await fill(player, kind, level);
      const name = (at: number) => `${who} at ${at.toLocaleString('en')}`;
      competitors.push({ name: name(level), against: level === LOWEST ? undefined : name(LOWEST), level, player });
    }
  }
  const id = `backlog-${kind.id}`;
  const contenders = competitors.map(({ name, against, level, player }) => ({
    name,
    against,
    slice: () => takeTurn(player, id),
    // A held worker ends what it has begun: put that back.
    rest: () => fill(player, kind, level),
  }));
  return allInRounds(turnForms(id, `Beside a backlog of ${kind.about}`), contenders, roundsOf(stage));
}

async function fill({ view }: Player, { line }: Kind, level: number): Promise<void> {
  const missing = level - (await view.length(line));
  const score = line === 'prioritized' ? PRIORITY : line === 'delayed' ? Date.now() + DAY_MS : 0;
  if (missing > 0) await view.fill(line, missing, score);
}
