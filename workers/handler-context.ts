/**
 * The second argument of a handler. Each part is made when a handler asks for it, so that a job pays for what it uses.
 *
 * Promises: whatever is taken from it works by itself, also after destructuring; `apply` writes nothing once the
 * attempt has ended. A service that handlers may ask for has a line here; without it this does not compile.
 */

import type { Logger } from '../src/logger.ts';
import { requestIdOf } from '../src/queue/envelope.ts';
import type { JobContext } from '../src/queue/job.ts';
import type { HandlerAttempt } from './attempt.ts';
import type { TakeRequests } from './gathering.ts';

export class HandlerContext implements JobContext {
  readonly #attempt: HandlerAttempt;
  readonly #take: TakeRequests;
  #logger: Logger | undefined;

  constructor(attempt: HandlerAttempt, take: TakeRequests) {
    this.#attempt = attempt;
    this.#take = take;
  }

  get profiles() {
    return this.#attempt.tools.services.profiles;
  }

  get learning() {
    return this.#attempt.tools.services.learning;
  }

  get conversations() {
    return this.#attempt.tools.services.conversations;
  }

  get replies() {
    return this.#attempt.tools.services.replies;
  }

  get analytics() {
    return this.#attempt.tools.services.analytics;
  }

  get housekeeping() {
    return this.#attempt.tools.services.housekeeping;
  }

  get media() {
    return this.#attempt.tools.services.media;
  }

  get fetcher() {
    return this.#attempt.tools.services.fetcher;
  }

  get images() {
    return this.#attempt.tools.services.images;
  }

  get audio() {
    return this.#attempt.tools.services.audio;
  }

  get speech() {
    return this.#attempt.tools.services.speech;
  }

  get mail() {
    return this.#attempt.tools.services.mail;
  }

  get mailUpkeep() {
    return this.#attempt.tools.services.mailUpkeep;
  }

  get resetTokens() {
    return this.#attempt.tools.services.resetTokens;
  }

  get job(): JobContext['job'] {
    const { job, definition, envelope, requestedAt } = this.#attempt;
    return {
      id: job.id,
      name: definition.name,
      tenant: envelope.tenant,
      attempt: job.failedAttempts + 1,
      lastAttempt: job.lastAttempt,
      requestedAt: new Date(requestedAt),
    };
  }

  get logger(): Logger {
    const { job, definition, envelope, tools } = this.#attempt;
    const { tenant } = envelope;
    const requestId = requestIdOf(job.id, envelope);
    this.#logger ??= tools.logger.child({
      jobId: job.id,
      job: definition.name,
      tenant,
      ...(requestId && { requestId }),
    });
    return this.#logger;
  }

  get signal(): AbortSignal {
    return this.#attempt.ending.signal;
  }

  get progress(): JobContext['progress'] {
    return (value) => this.#attempt.job.progress(value);
  }

  get enqueue(): JobContext['enqueue'] {
    const { job, envelope, tools } = this.#attempt;
    const { tenant } = envelope;
    const requestId = requestIdOf(job.id, envelope);
    return (request) => tools.producer.enqueue({ ...request, tenant, requestId });
  }

  get wakeOverdue(): JobContext['wakeOverdue'] {
    return (graceMs) => this.#attempt.tools.wakeOverdue(graceMs);
  }

  get apply(): JobContext['apply'] {
    const { job, definition, envelope, ending, tools } = this.#attempt;
    const entry = { jobId: job.id, tenant: envelope.tenant, job: definition.name };
    return async (effect) => {
      ending.throwIfEnded();
      return tools.ledger.apply(entry, async (tx) => {
        await this.#take(tx);
        // An effect that hangs must not keep its connection and its ledger row past the attempt.
        const result = await ending.unlessEnded(() => effect(tx));
        ending.throwIfEnded();
        return result;
      });
    };
  }
}
