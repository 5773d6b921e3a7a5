/**
 * One attempt inside the process that it has for itself: hears the worker, runs the handler, answers once.
 *
 * Promises: nothing that the worker says is used unparsed; once it has said that the attempt has ended, the handler's
 * signal aborts and `apply` writes nothing more; progress is said one value at a time, and only the newest waits.
 */

import { AppError } from '../../src/errors.ts';
import type { Catalog } from '../../src/queue/catalog.ts';
import type { HandlerAttempt } from '../attempt.ts';
import { Ending } from '../ending.ts';
import { HandlerContext } from '../handler-context.ts';
import { parseLine } from './line-channel.ts';
import { carried, carry, MOST_BYTES, type Order, orderSchema, type Reply } from './messages.ts';
import { SpokenProgress } from './spoken-progress.ts';

export interface IsolatedRunOptions {
  readonly catalog: Catalog;
  readonly tools: HandlerAttempt['tools'];
  /** Say something to the worker; false: it is too long. */
  readonly say: (reply: Reply) => boolean;
}

export class IsolatedRun {
  /** Resolves once the worker has been answered. */
  readonly answered: Promise<void>;
  readonly #catalog: Catalog;
  readonly #tools: HandlerAttempt['tools'];
  readonly #say: IsolatedRunOptions['say'];
  readonly #ending = new Ending();
  #begun = false;
  readonly #progress: SpokenProgress;
  #answer = () => {};

  constructor({ catalog, tools, say }: IsolatedRunOptions) {
    this.#catalog = catalog;
    this.#tools = tools;
    this.#say = say;
    this.#progress = new SpokenProgress({ say: (value) => say({ kind: 'progress', value }) });
    this.answered = new Promise((resolve) => {
      this.#answer = resolve;
    });
  }

  /** A line that the worker has said. Throws when it is no order. */
  hear(line: string): void {
    const order = orderSchema.parse(parseLine(line));
    switch (order.kind) {
      case 'run':
        void this.#run(order);
        break;
      case 'reported':
        this.#progress.reported(order.error);
        break;
      case 'abort':
        this.#ending.end(carried(order.error));
        // Nothing has begun that could be waited for.
        if (!this.#begun) this.#answer();
    }
  }

  async #run({ job, envelope, requestedAt }: Extract<Order, { kind: 'run' }>): Promise<void> {
    this.#begun = true;
    try {
      const definition = this.#catalog.getStored(job.name);
      const payload = definition.payload.parse(envelope.payload);
      const taken = { ...job, progress: (value: number | object) => this.#progress.say(value) };
      const attempt = { job: taken, definition, envelope, requestedAt, ending: this.#ending, tools: this.#tools };
      const result = await definition.run(payload, new HandlerContext(attempt, async () => {}));
      if (!this.#say({ kind: 'done', result })) {
        throw new AppError(
          'result-invalid',
          `The result takes more than ${MOST_BYTES} bytes; keep big data elsewhere.`,
        );
      }
    } catch (error) {
      this.#say({ kind: 'failed', error: carry(error) });
    }
    this.#answer();
  }
}
