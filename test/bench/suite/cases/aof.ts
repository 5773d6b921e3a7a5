/** What the append-only file costs, synced every second as the service asks for, beside a Redis without one. */

import { type Case, roundsOf } from '../bench.ts';
import { HttpLoad } from '../http-load.ts';
import { Millrace } from '../millrace.ts';
import { ourPlayer, type Player, rawPlayer, takeTurn, turnForms } from '../player.ts';
import { allInRounds } from '../rounds.ts';

export const aofCase: Case = async (stage) => {
  const [cache, postgres] = await Promise.all([stage.cache(), stage.postgres()]);
  const http = new HttpLoad(stage);
  const players: [name: string, against: string | undefined, player: Player][] = [];
  for (const mode of ['none', 'everysec'] as const) {
    const redis = await (mode === 'none' ? stage.redis('appendonly no') : stage.redis());
    const options = { redis, cache, postgres, name: `aof-${mode}`, unready: mode === 'none' };
    const ours = await Millrace.start(stage, options);
    const raw = await rawPlayer(stage, { redisUrl: redis.url, redis: redis.pid(), name: 'raw', extras: {} });
    const reference = (who: string) => (mode === 'none' ? undefined : `${who}, none`);
    players.push([`ours, ${mode}`, reference('ours'), ourPlayer(ours, http, redis.pid(), {})]);
    players.push([`raw, ${mode}`, reference('raw'), raw]);
  }
  for (const [, , player] of players) await player.view.hold();
  const contenders = players.map(([name, against, player]) => ({
    name,
    against,
    slice: () => takeTurn(player, 'aof'),
  }));
  return allInRounds(turnForms('aof', 'AOF everysec beside none'), contenders, roundsOf(stage));
};
