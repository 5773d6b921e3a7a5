/**
 * Sending the mail of a job: whose it is, to whom it may go, what it says, and what is known of it afterwards.
 *
 * Promises: each recipient gets a mail of their own that shows no other; the Message-ID is the job's, the same for every
 * try; a recipient whose mail was answered for is not written to again. A mail that was handed over without an answer is
 * sent again with the same Message-ID, or, where the template is at-most-once, is `mail-unknown` and never sent again.
 * While PostgreSQL is away nothing is sent.
 */

import { AppError, Snooze } from '../errors.ts';
import type { Mailbox } from '../mail-address.ts';
import type { Mailer, SendOutcome } from '../providers/mailer.ts';
import type { Deliveries, Delivery } from './deliveries.ts';
import type { Senders } from './senders.ts';
import type { Suppressions } from './suppressions.ts';
import { TEMPLATES, type TemplateData, type TemplateName } from './template-data.ts';
import type { RenderedMail, Templates } from './templates.ts';
import type { UnsubscribeLinks } from './unsubscribe.ts';

export interface MailingOptions {
  readonly deliveries: Deliveries;
  readonly senders: Senders;
  readonly suppressions: Suppressions;
  readonly templates: Templates;
  readonly links: UnsubscribeLinks;
  readonly mailer: Mailer;
  /** Mails that a tenant may send on one day. */
  readonly dailyCap: number;
  /** Templates that are never sent again in doubt. */
  readonly atMostOnce: ReadonlySet<string>;
  readonly clock?: () => number;
}

export interface MailRequest<N extends TemplateName> {
  readonly job: { readonly id: string; readonly tenant: string; readonly lastAttempt: boolean };
  readonly template: N;
  readonly data: TemplateData<N>;
  readonly to: readonly string[];
  /** One of the tenant's senders; its first one unless told. */
  readonly from?: string | undefined;
  readonly signal: AbortSignal;
}

/** What became of the mail. */
export interface Mailed {
  readonly messageId: string;
  readonly sent: number;
  /** Recipients that are on the suppression list. */
  readonly suppressed: string[];
  /** Recipients that the mail server refused for good. */
  readonly rejected: string[];
}

const DAY_MS = 86_400_000;
/** The mails of a day that was full start over this many milliseconds of the next, not all at midnight. */
const SPREAD_MS = 600_000;
/** Seconds until a mail server that is away is tried again. */
const AWAY_SECONDS = 30;

/** How a try leaves one recipient. `stop`: the server would take the next one no better. */
type Tried = 'ended' | 'deferred' | 'doubtful' | 'stop-away' | 'stop';

export class Mailing {
  readonly #options: MailingOptions;
  readonly #clock: () => number;

  constructor(options: MailingOptions) {
    this.#options = options;
    this.#clock = options.clock ?? Date.now;
  }

  /** Send what is not sent yet. Throws what `src/errors.ts` lists under mail, or snoozes until the cap has room. */
  async send<N extends TemplateName>(request: MailRequest<N>): Promise<Mailed> {
    const { job, template, data } = request;
    const { deliveries, templates } = this.#options;
    const before = await deliveries.ofJob(job.id);
    const sender = await this.#options.senders.choose(job.tenant, before[0]?.sender ?? request.from);
    const rows =
      before.length > 0 ? before : await this.#open(request, sender, await templates.render(template, data, ''));
    const isFinal = this.#options.atMostOnce.has(template);
    const open = rows.filter((row) => isOpen(row, isFinal));
    let last: Tried = 'ended';
    for (const row of open) {
      request.signal.throwIfAborted();
      last = await this.#deliver(row, request, sender);
      if (last.startsWith('stop') || (last === 'doubtful' && !isFinal)) break;
    }
    return this.#conclude(await deliveries.ofJob(job.id), request, last);
  }

  /** Fix who gets what as which Message-ID, and count it. */
  async #open<N extends TemplateName>(
    { job, template, to }: MailRequest<N>,
    sender: Mailbox,
    { subject }: RenderedMail,
  ): Promise<Delivery[]> {
    const { deliveries, dailyCap } = this.#options;
    const recipients = await Promise.all(
      to.map(async (address) => ({ address, suppressed: await this.#isSuppressed(job.tenant, address, template) })),
    );
    const domain = sender.address.slice(sender.address.indexOf('@') + 1);
    const rows = await deliveries.open(
      {
        tenant: job.tenant,
        jobId: job.id,
        messageId: `<${job.id}@${domain}>`,
        template,
        sender: sender.address,
        subject,
        recipients,
      },
      dailyCap,
    );
    if (rows !== undefined) return rows;
    // A link that comes tomorrow is no use, and what never fits will not fit tomorrow.
    if (template === 'password-reset' || recipients.length > dailyCap) {
      throw new AppError('mail-cap-reached', `The tenant may send ${dailyCap} mails on one day.`);
    }
    const tomorrowMs = DAY_MS - (this.#clock() % DAY_MS) + Math.floor(Math.random() * SPREAD_MS);
    throw new Snooze(tomorrowMs, `the tenant has sent its ${dailyCap} mails of today`);
  }

  /** One try at one recipient. */
  async #deliver<N extends TemplateName>(row: Delivery, request: MailRequest<N>, sender: Mailbox): Promise<Tried> {
    const { deliveries, mailer, atMostOnce } = this.#options;
    const { template, data, job, signal } = request;
    if (row.state === 'sending' && atMostOnce.has(template)) {
      const answer = row.answer ?? 'The process that handed it over ended before the answer came.';
      await deliveries.ended(row, { state: 'unknown', code: 'mail-unknown', answer });
      return 'ended';
    }
    if (await this.#isSuppressed(job.tenant, row.recipient, template)) {
      await deliveries.ended(row, { state: 'suppressed', answer: 'on the suppression list' });
      return 'ended';
    }
    const link = TEMPLATES[template].unsubscribable
      ? await this.#options.links.make({ tenant: job.tenant, address: row.recipient })
      : null;
    const { html, text } = await this.#options.templates.render(template, data, link);
    const message = {
      messageId: row.message_id,
      date: row.created_at,
      from: sender,
      to: row.recipient,
      subject: row.subject,
      html,
      text,
      headers: {
        ...(link !== null && {
          'List-Unsubscribe': `<${link}>`,
          'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
        }),
      },
    };
    const tries = await deliveries.sending(row.id);
    if (tries === undefined) return 'ended';
    return this.#note({ ...row, tries }, await mailer.send(message, { signal }), job.tenant);
  }

  /** Write down how a try went. */
  async #note(row: Delivery, outcome: SendOutcome, tenant: string): Promise<Tried> {
    const { deliveries, suppressions } = this.#options;
    const { answer } = outcome;
    switch (outcome.kind) {
      case 'accepted':
        await deliveries.ended(row, { state: 'sent', answer });
        return 'ended';
      case 'rejected':
        await deliveries.ended(row, { state: 'failed', code: 'mail-rejected', answer });
        if (outcome.recipient) await suppressions.add(tenant, row.recipient, 'bounced');
        return 'ended';
      case 'unknown':
        await deliveries.note(row, 'sending', answer);
        return 'doubtful';
      case 'later':
        await deliveries.note(row, 'waiting', answer);
        if (outcome.of === 'message') return 'deferred';
        return outcome.of === 'server' ? 'stop-away' : 'stop';
    }
  }

  /** What the rows say of the job as a whole. */
  async #conclude<N extends TemplateName>(
    rows: Delivery[],
    { job, template }: MailRequest<N>,
    last: Tried,
  ): Promise<Mailed> {
    const { deliveries, atMostOnce } = this.#options;
    const unfinished = rows.filter(({ state }) => state === 'waiting' || state === 'sending');
    const answer = unfinished.find((row) => row.answer !== null)?.answer ?? 'no answer';
    if (last === 'stop-away') {
      throw new AppError('mail-server-away', `The mail server: ${answer}`, { retryAfterSeconds: AWAY_SECONDS });
    }
    const isFinal = atMostOnce.has(template);
    let left = 0;
    for (const row of unfinished) {
      const isDoubtful = row.state === 'sending';
      if (job.lastAttempt || (isDoubtful && isFinal)) {
        row.state = isDoubtful ? 'unknown' : 'failed';
        row.code = isDoubtful ? 'mail-unknown' : 'mail-deferred';
        await deliveries.ended(row, { state: row.state, code: row.code, answer: row.answer ?? answer });
      } else {
        left += 1;
      }
    }
    const { messageId, of } = summaryOf(rows);
    const unknown = of('unknown').length;
    if (left > 0 || rows.some(isGivenUp)) {
      throw new AppError('mail-deferred', `The mail server: ${answer}`);
    }
    if (unknown > 0) {
      throw new AppError('mail-unknown', `${messageId} may or may not have reached ${unknown} of its recipients.`);
    }
    const rejected = of('failed');
    const sent = of('sent').length;
    if (sent === 0 && rejected.length > 0) {
      const why = rows.find(({ state }) => state === 'failed')?.answer;
      throw new AppError('mail-rejected', `The mail server: ${why}`);
    }
    return { messageId, sent, suppressed: of('suppressed'), rejected };
  }

  /** A wish holds back what can be unsubscribed from, a bounce everything. */
  async #isSuppressed(tenant: string, address: string, template: TemplateName): Promise<boolean> {
    const reason = await this.#options.suppressions.reason(tenant, address);
    return reason === 'bounced' || (reason === 'unsubscribed' && TEMPLATES[template].unsubscribable);
  }
}

/** Is there anything left to try? What was given up is tried again when somebody lets the dead job run again. */
function isOpen({ state, code }: Delivery, atMostOnce: boolean): boolean {
  if (state === 'waiting' || state === 'sending') return true;
  return isGivenUp({ state, code }) || (state === 'unknown' && !atMostOnce);
}

/** Did it fail for another reason than that the mail server will not have it? */
function isGivenUp({ state, code }: Pick<Delivery, 'state' | 'code'>): boolean {
  return state === 'failed' && code !== 'mail-rejected';
}

function summaryOf(rows: readonly Delivery[]) {
  const of = (wanted: Delivery['state']) => rows.filter(({ state }) => state === wanted).map((row) => row.recipient);
  return { messageId: rows[0]?.message_id ?? '', of };
}
