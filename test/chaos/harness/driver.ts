/**
 * The driver: asks for work at a bounded rate and writes down every request before it leaves and every answer.
 *
 * Promises: at most `concurrency` HTTP requests are under way; an answer that does not come is written as such; a repeat
 * carries the same key and the same body; after `halt` nothing is under way. Memory stays flat.
 */

import type { Clock } from './clock.ts';
import { type DriverLog, NO_ANSWER } from './driver-log.ts';
import { answersOf, callFor } from './enqueue-call.ts';
import type { PlannedRequest, Shipment } from './request-plan.ts';
import { type Front, NoAnswer, type Reply, type Sender } from './sender.ts';
import { Watch } from './watch.ts';

export interface DriverOptions {
  readonly clock: Clock;
  readonly log: DriverLog;
  readonly plan: Iterator<Shipment>;
  readonly sender: Sender;
  readonly fronts: readonly Front[];
  /** Jobs a second. */
  readonly rate: number;
  /** HTTP requests under way, at most. */
  readonly concurrency: number;
  /** Jobs to ask for; no end unless told. */
  readonly most?: number | undefined;
  /** Times that a request with a key is sent again after a 5xx or no answer. */
  readonly retries?: number | undefined;
  /** As a load balancer does: try the next front when one refuses the connection or answers 503. */
  readonly balanced?: boolean | undefined;
}

const BETWEEN_RETRIES_MS = 150;

export class Driver {
  readonly #options: DriverOptions;
  readonly #watches = new Set<Watch>();
  readonly #underWay = new Set<Promise<void>>();
  readonly #failures: unknown[] = [];
  #untick: (() => void) | undefined;
  #rate: number;
  #owed = 0;
  #lastMs = 0;
  #turn = 0;
  /** Jobs asked for so far. */
  asked = 0;

  constructor(options: DriverOptions) {
    this.#options = options;
    this.#rate = options.rate;
  }

  /** Has everything been asked for? */
  get done(): boolean {
    return this.asked >= (this.#options.most ?? Number.POSITIVE_INFINITY);
  }

  get underWay(): number {
    return this.#underWay.size;
  }

  set rate(jobsPerSecond: number) {
    this.#rate = jobsPerSecond;
  }

  start(): void {
    this.#lastMs = this.#options.clock.nowMs;
    this.#untick = this.#options.clock.onTick(() => this.#tick());
  }

  /** Ask for no more, and wait for every answer. Throws what the driver itself failed with. */
  async halt(): Promise<void> {
    this.#untick?.();
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  /** Count what is sent from now on, until the watch is closed. */
  watch(): Watch {
    const watch = new Watch();
    this.#watches.add(watch);
    return watch;
  }

  /** Send this now, whatever the rate, and resolve when it is answered. */
  async ship(shipment: Shipment): Promise<void> {
    this.asked += shipment.requests.length;
    const [first] = shipment.requests;
    const sendings = first?.twice ? [this.#send(shipment), this.#send(shipment)] : [this.#send(shipment)];
    await Promise.all(sendings);
  }

  #tick(): void {
    const { clock, concurrency, plan } = this.#options;
    const nowMs = clock.nowMs;
    // What could not be sent while all connections were busy is not made up for: a caller waits, too.
    this.#owed = Math.min(this.#owed + ((nowMs - this.#lastMs) * this.#rate) / 1000, Math.max(1, this.#rate / 10));
    this.#lastMs = nowMs;
    while (this.#owed >= 1 && this.#underWay.size < concurrency && !this.done) {
      const { value } = plan.next();
      this.#owed -= value.requests.length;
      this.#follow(this.ship(value));
    }
  }

  #follow(work: Promise<void>): void {
    const followed = work
      .catch((error: unknown) => void this.#failures.push(error))
      .finally(() => this.#underWay.delete(followed));
    this.#underWay.add(followed);
  }

  async #send(shipment: Shipment): Promise<void> {
    const { retries = 0, clock } = this.#options;
    const mayRepeat = shipment.requests.every(({ key }) => key !== undefined);
    for (let repeat = 0; ; repeat++) {
      const answered = await this.#sendOnce(shipment, repeat);
      if (answered || !mayRepeat || repeat >= retries) return;
      await clock.after(BETWEEN_RETRIES_MS * (repeat + 1));
    }
  }

  /** True when there was an answer to each job, and none was a 5xx. */
  async #sendOnce(shipment: Shipment, repeat: number): Promise<boolean> {
    const { log, clock } = this.#options;
    const { route, requests } = shipment;
    const watches = [...this.#watches].filter(({ open }) => open);
    const startedMs = clock.nowMs;
    const place = this.#place(shipment.draw) + repeat;
    const front = this.#front(place);
    for (const { n, kind, key } of requests) log.sent(n, kind, { route, to: front.name, key });
    const reply = await this.#call(place, shipment);
    const ms = clock.nowMs - startedMs;
    const answers = answersOf(route, requests.length, reply);
    for (const [i, request] of requests.entries()) {
      const { status, id } = answers[i] ?? { status: NO_ANSWER, id: undefined };
      log.answered(request.n, status, id, ms);
      if (request.cancelAfterMs !== undefined && id !== undefined) {
        this.#follow(this.#cancel(request, id, front));
      }
    }
    // A job among others that is refused has no headers of its own.
    const retryAfter = reply?.status === 503 ? reply.headers['retry-after']?.toString() : 'beside others';
    for (const { status } of answers) for (const watch of watches) watch.add(status, ms, retryAfter);
    return answers.every(({ status }) => status !== NO_ANSWER && status < 500);
  }

  async #call(place: number, shipment: Shipment): Promise<Reply | undefined> {
    const { sender, balanced = false, fronts } = this.#options;
    const call = callFor(shipment);
    for (let tries = 0; ; tries++) {
      const again = balanced && tries < 2 * fronts.length;
      try {
        const reply = await sender.send(this.#front(place + tries), call);
        if (reply.status !== 503 || !again) return reply;
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error;
        if (!error.unsent || !again) return undefined;
      }
    }
  }

  /** Where to begin: the next front in turn, or the one that was drawn. */
  #place(draw: number): number {
    const { fronts, balanced = false } = this.#options;
    return balanced ? this.#turn++ : Math.floor(draw * fronts.length);
  }

  #front(place: number): Front {
    const { fronts } = this.#options;
    const front = fronts[place % fronts.length];
    if (front === undefined) throw new Error('The driver has no front.');
    return front;
  }

  async #cancel({ n, cancelAfterMs = 0 }: PlannedRequest, id: string, front: Front): Promise<void> {
    const { log, sender, clock } = this.#options;
    await clock.after(cancelAfterMs);
    log.cancelling(n);
    try {
      const { status } = await sender.send(front, { method: 'DELETE', path: `/v1/jobs/${id}` });
      log.cancelAnswered(n, status);
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      log.cancelAnswered(n, NO_ANSWER);
    }
  }
}
