/**
 * The checker: holds what the driver was told against what the stores know, and names everything that does not fit.
 *
 *   every 202 took effect exactly once; every 4xx never; every 5xx, and every answer that never came, at most once
 *   one key, one effect; a confirmed cancel, none
 *   accepted = completed + dead + cancelled + waiting + active + delayed + journalled
 *
 * Promises: it only reads; its memory is about 200 bytes a request, whatever the length of the log.
 */

import { parseLine } from './driver-log.ts';
import type { Accounts, Evidence, JournalLook, Verdict, Violation, ViolationRule } from './evidence.ts';
import { DYING_ATTEMPTS, KINDS } from './request-plan.ts';
import { type Tally, tallyLog } from './tally.ts';

/** Check a finished run. `base`: the first number of the run. */
export async function check(evidence: Evidence, base: number): Promise<Verdict> {
  const violations = new Violations();
  const tally = await tallyLog(evidence.lines(), base);
  await readEffects(tally, evidence, violations);
  await readRuns(tally, evidence, violations);
  await readJobs(tally, evidence, violations);
  for await (const id of evidence.tombstones()) tally.tombstones.add(id);
  const accounts = judge(tally, violations);
  judgeJournal(accounts, evidence.journal, violations);
  return { accounts, violations: violations.kept, more: violations.more };
}

/** Violations can be as many as requests: the first of each rule are kept, the others counted. */
class Violations {
  readonly kept: Violation[] = [];
  readonly #counts = new Map<ViolationRule, number>();
  more = 0;

  add(rule: ViolationRule, n: number | undefined, text: string): void {
    const count = (this.#counts.get(rule) ?? 0) + 1;
    this.#counts.set(rule, count);
    if (count <= MOST_OF_A_RULE) this.kept.push({ rule, n, text });
    else this.more += 1;
  }
}

const MOST_OF_A_RULE = 10;

async function readEffects(tally: Tally, evidence: Evidence, violations: Violations): Promise<void> {
  for await (const { n, id } of evidence.effects()) {
    if (!tally.knows(n)) violations.add('ghost', n, `an effect of a number that was never sent, by ${id}`);
    else if (tally.countEffect(n, id)) violations.add('two-ids', n, `took effect as ${id}, and as another job`);
  }
}

async function readRuns(tally: Tally, evidence: Evidence, violations: Violations): Promise<void> {
  for await (const { n, id, attempt } of evidence.runs()) {
    if (tally.knows(n)) tally.countRun(n, attempt);
    else violations.add('ghost', n, `a run of a number that was never sent, by ${id}`);
  }
}

async function readJobs(tally: Tally, evidence: Evidence, violations: Violations): Promise<void> {
  for await (const { n, id, state, code } of evidence.jobs()) {
    if (!tally.knows(n)) continue;
    if (state === 'failed' && code === 'job-cancelled') tally.tombstones.add(id);
    const before = tally.jobOf(n);
    if (before !== undefined) violations.add('two-jobs', n, `stands in Redis twice: ${before} and ${state} as ${id}`);
    else tally.setJob(n, state);
  }
}

/** Look at every request that was sent. */
function judge(tally: Tally, violations: Violations): Accounts {
  const accounts: Record<keyof Accounts, number> = { ...NOTHING };
  for (const n of tally.numbers()) {
    accounts.requests += 1;
    const answer = tally.answerOf(n);
    const effects = tally.effectsOf(n);
    if (effects > 1) violations.add('duplicate', n, `took effect ${effects} times`);
    if (tally.contradicts(n)) violations.add('contradiction', n, 'was accepted and refused');
    if (tally.acceptedTwice(n)) violations.add('two-ids', n, 'was accepted under two ids');
    if (tally.isForeign(n)) violations.add('two-ids', n, 'took effect under another id than the one it was given');
    if (tally.hasFate(n, 'refused') && answer === 'accepted') violations.add('accepted', n, 'should be refused');
    if (answer === 'refused') {
      accounts.refused += 1;
      if (tally.everRan(n)) violations.add('ghost', n, 'was refused, and ran');
      if (!tally.hasFate(n, 'refused')) violations.add('refused', n, 'should not be refused');
      continue;
    }
    if (answer === 'unknown') accounts.unknown += 1;
    const found = bucketOf(tally, n);
    // Nobody was promised anything: what is nowhere never was.
    if (answer === 'unknown' && found === undefined) continue;
    accounts.accepted += 1;
    if (found === undefined) accounts.missing += 1;
    else accounts[found] += 1;
    if (answer === 'accepted' && found === undefined) violations.add('lost', n, 'was accepted and is nowhere');
    judgeFate(tally, n, found, violations);
  }
  return accounts;
}

type Bucket = 'completed' | 'dead' | 'cancelled' | 'waiting' | 'active' | 'delayed';

/** Where an accepted job stands; undefined when no store knows it. */
function bucketOf(tally: Tally, n: number): Bucket | undefined {
  const job = tally.jobOf(n);
  const id = tally.idOf(n);
  if (id !== undefined && tally.tombstones.has(id)) return 'cancelled';
  if (job === 'waiting' || job === 'active' || job === 'delayed') return job;
  if (tally.effectsOf(n) > 0) return 'completed';
  const fate = tally.fateOf(n);
  if (job === 'failed') return 'dead';
  if (fate === 'dead' && tally.mostAttemptsOf(n) >= DYING_ATTEMPTS) return 'dead';
  if (fate === 'run' && tally.everRan(n)) return 'completed';
  return job === 'completed' ? 'completed' : undefined;
}

/** Has a request that stands somewhere become what it must? */
function judgeFate(tally: Tally, n: number, found: Bucket | undefined, violations: Violations): void {
  const fate = tally.fateOf(n);
  const effects = tally.effectsOf(n);
  if (tally.wasCancelled(n) && effects > 0) violations.add('cancelled', n, 'was cancelled, and took effect');
  if (tally.wasCancelled(n) && fate === 'run' && tally.everRan(n))
    violations.add('cancelled', n, 'was cancelled, and ran');
  if (tally.wasCancelled(n) && found !== 'cancelled') violations.add('cancelled', n, `was cancelled, and is ${found}`);
  if (fate !== 'effect' && effects > 0) violations.add('ghost', n, `applies nothing as ${KINDS[tally.kindOf(n)].job}`);
  if (found === 'waiting' || found === 'active' || found === 'delayed') {
    violations.add('unfinished', n, `is still ${found}`);
  }
  if (found === 'completed' && fate === 'effect' && effects === 0) {
    violations.add('lost', n, 'is completed without its effect');
  }
  if (found === 'completed' && fate === 'run' && !tally.everRan(n))
    violations.add('lost', n, 'is completed, never ran');
  if (found === 'dead' && fate !== 'dead') violations.add('dead', n, 'should not be dead');
  if (found === 'completed' && fate === 'dead') violations.add('dead', n, 'should be dead');
  if (found === 'cancelled' && !tally.cancelAsked(n)) violations.add('cancelled', n, 'nobody cancelled it');
}

/** What is nowhere may be in a journal still; and in the end nothing should be. */
function judgeJournal(accounts: Accounts, journal: JournalLook, violations: Violations): void {
  const { pending, open, setAside } = journal;
  const told = `the journals hold ${pending} pending, ${open} handed over, ${setAside} set aside`;
  if (accounts.missing > pending + setAside) {
    violations.add('unaccounted', undefined, `${accounts.missing} accepted jobs are in no store, and ${told}`);
  }
  if (pending + open + setAside > 0) violations.add('unsettled', undefined, told);
}

const NOTHING: Accounts = {
  requests: 0,
  accepted: 0,
  refused: 0,
  unknown: 0,
  completed: 0,
  dead: 0,
  cancelled: 0,
  waiting: 0,
  active: 0,
  delayed: 0,
  missing: 0,
};

/** The violations as text, each with the driver's lines about its number; reads the log once more. */
export async function explain(verdict: Verdict, lines: AsyncIterable<string>): Promise<string[]> {
  const wanted = new Map<number, string[]>();
  for (const { n } of verdict.violations) if (n !== undefined) wanted.set(n, []);
  for await (const line of lines) {
    const entry = parseLine(line);
    if (entry !== undefined && entry.type !== 'note') wanted.get(entry.n)?.push(line);
  }
  const told = verdict.violations.flatMap(({ rule, n, text }) =>
    n === undefined
      ? [`${rule}: ${text}`]
      : [`${rule}: ${n} ${text}`, ...(wanted.get(n) ?? []).map((line) => `    ${line}`)],
  );
  return verdict.more > 0 ? [...told, `and ${verdict.more} more`] : told;
}
