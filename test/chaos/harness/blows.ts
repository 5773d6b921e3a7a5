/**
 * Blows that take several steps, for single faults and for the claim run alike.
 *
 * Promises: when a call resolves, every process and store runs again; what is random is drawn from the row given.
 */

import type { Redis } from 'ioredis';
import { eventually } from '../../support/millrace-process.ts';
import { RedisCopy } from './redis-copy.ts';
import type { Random } from './seed.ts';
import type { Service } from './service.ts';
import type { ServiceProcess } from './service-process.ts';

/** Where a blow lands. */
export interface Target {
  readonly service: Service;
  /** Past the proxies. */
  readonly redis: Redis;
  readonly random: Random;
  /** Write into the driver's log what is done. */
  note(text: string): void;
}

/** A request of the driver, headers and all, is a few hundred bytes long: the kill falls anywhere in the next few. */
const LATEST_BYTE = 2000;
/** Milliseconds within which that byte comes; if it does not, the kill comes then. */
const BYTE_MS = 5000;
/** Milliseconds within which a living process takes in the journal of one that has ended. */
const TAKE_IN_MS = 15_000;
const TAKEN_IN = 'took in the journal';

function pickWeb({ service, random }: Target): { web: ServiceProcess; place: number; other: ServiceProcess } {
  const place = random.whole(0, service.webs.length - 1);
  const web = service.webs[place];
  const other = service.webs[(place + 1) % service.webs.length];
  if (web === undefined || other === undefined || other === web) throw new Error('It takes two web processes.');
  return { web, place, other };
}

/** kill -9 of a web process at a random byte of what goes through its front; then it is started again. */
export async function killMidRequest(target: Target): Promise<void> {
  const { service, random, note } = target;
  const { web, place } = pickWeb(target);
  const direction = random.chance(0.7) ? 'up' : 'down';
  const byte = random.whole(1, LATEST_BYTE);
  const restMs = random.whole(0, 300);
  const untrap = service.lines.fronts[place]?.setTrap(direction, byte, () => web.strike());
  const struck = eventually(
    async () => web.running,
    (running) => !running,
    BYTE_MS,
  );
  const told = await struck.then(
    () => `at byte ${byte} ${direction}`,
    () => `${BYTE_MS} ms later: byte ${byte} ${direction} never came`,
  );
  untrap?.();
  await web.kill();
  note(`${web.name}: killed ${told}`);
  await service.clock.after(restMs);
  await web.start();
  note(`${web.name}: running again`);
}

/** Redis is killed, and comes back as it was `ms` ago. */
export async function setBack(target: Target, ms: number): Promise<void> {
  const { service, redis, note } = target;
  note('Redis: copied');
  const copy = await RedisCopy.take(service, redis);
  await service.clock.after(ms);
  await service.redis.kill();
  copy.restore();
  await service.redis.restart();
  note(`Redis: back on a copy that is ${ms} ms old`);
}

/** Redis is emptied, and while that is being mended it is set back into the middle of it. */
export async function emptyAndSetBack(target: Target, ms: number): Promise<void> {
  const { service, redis, random, note } = target;
  note('Redis: FLUSHALL');
  await redis.flushall();
  await service.clock.after(random.whole(0, 1500));
  await setBack(target, ms);
}

/** A web process is killed and stays away, Redis is emptied; another process takes in its journal. */
export async function loseWebAndEmpty(target: Target): Promise<void> {
  const { service, redis, random, note } = target;
  const { web, other } = pickWeb(target);
  const taken = countOf(other);
  await web.kill();
  note(`${web.name}: killed, and stays away`);
  await service.clock.after(random.whole(0, 800));
  await redis.flushall();
  note('Redis: FLUSHALL');
  await takenIn(other, taken, note);
  await web.start();
  note(`${web.name}: running again`);
}

/** Redis goes away, a web process is killed with what it has accepted, Redis is back; another takes in its journal. */
export async function loseWebWhileAway(target: Target): Promise<void> {
  const { service, random, note } = target;
  const { web, other } = pickWeb(target);
  await service.redis.kill();
  note('Redis: killed');
  await service.clock.after(random.whole(800, 2000));
  const taken = countOf(other);
  await web.kill();
  note(`${web.name}: killed, and stays away`);
  const early = random.chance(0.5);
  if (early) await service.redis.restart();
  await takenIn(other, taken, note);
  if (!early) await service.redis.restart();
  note('Redis: back');
  await web.start();
  note(`${web.name}: running again`);
}

const countOf = (process: ServiceProcess) => process.printed.split(TAKEN_IN).length - 1;

/** Resolve once the process says that it has taken in one more journal. */
async function takenIn(process: ServiceProcess, before: number, note: Target['note']): Promise<void> {
  await eventually(
    async () => countOf(process),
    (count) => count > before,
    TAKE_IN_MS,
  ).catch(() => undefined);
  note(countOf(process) > before ? `${process.name}: took in the journal` : `${process.name}: took in no journal`);
}
