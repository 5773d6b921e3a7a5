/**
 * Sends mail through a mail server over a few connections that are kept for the next mail.
 *
 * Promises: a send ends within `limits.sendMs`, also against a server that says one byte every ten seconds; a connection
 * that failed is not used again; the envelope holds the sender and the one recipient, whatever the headers say. When the
 * server is away the outcome says so: nothing is lost and nothing waits.
 */

import { composeMail, type DkimKey } from './composed-mail.ts';
import type { Mailer, MailMessage, SendOutcome } from './mailer.ts';
import { SmtpFailure, type SmtpLimits, type SmtpServer, SmtpSession } from './smtp-session.ts';

/** Milliseconds: of connecting, of silence, and of everything for one mail. */
export const SMTP_LIMITS = { connectMs: 10_000, silenceMs: 15_000, sendMs: 30_000, idleMs: 30_000 } as const;

export interface SmtpMailerOptions {
  readonly server: SmtpServer;
  readonly dkim?: DkimKey | undefined;
  readonly limits?: SmtpLimits & { readonly sendMs: number; readonly idleMs: number };
  /** Connections that are kept open between mails. */
  readonly keep?: number;
}

interface Idle {
  readonly session: SmtpSession;
  readonly timer: NodeJS.Timeout;
}

/** Statuses that speak of the address when the server gives no enhanced one. */
const ADDRESS_STATUSES = new Set([550, 551, 553]);

export class SmtpMailer implements Mailer {
  readonly kind = 'smtp';
  readonly #server: SmtpServer;
  readonly #dkim: DkimKey | undefined;
  readonly #limits: NonNullable<SmtpMailerOptions['limits']>;
  readonly #keep: number;
  readonly #idle: Idle[] = [];
  readonly #busy = new Set<SmtpSession>();
  #stopped = false;

  constructor({ server, dkim, limits = SMTP_LIMITS, keep = 5 }: SmtpMailerOptions) {
    this.#server = server;
    this.#dkim = dkim;
    this.#limits = limits;
    this.#keep = keep;
  }

  async send(message: MailMessage, { signal }: { signal: AbortSignal }): Promise<SendOutcome> {
    signal.throwIfAborted();
    const raw = await composeMail(message, this.#dkim);
    const ending = AbortSignal.any([signal, AbortSignal.timeout(this.#limits.sendMs)]);
    const kept = this.#take();
    if (kept !== undefined) {
      const outcome = await this.#sendOver(kept, message, raw, ending);
      // The server may have closed it while it was idle, or says so only now (421).
      if (outcome.kind !== 'later' || outcome.of === 'message') return outcome;
    }
    try {
      const session = await SmtpSession.open(this.#server, this.#limits, ending);
      return await this.#sendOver(session, message, raw, ending);
    } catch (error) {
      if (error instanceof SmtpFailure) return outcomeOf(error);
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const { session, timer } of this.#idle.splice(0)) {
      clearTimeout(timer);
      session.leave();
    }
    for (const session of this.#busy) session.close();
  }

  async #sendOver(
    session: SmtpSession,
    { from, to }: MailMessage,
    raw: Buffer,
    ending: AbortSignal,
  ): Promise<SendOutcome> {
    this.#busy.add(session);
    try {
      const answer = await session.send(from.address, to, raw, ending);
      this.#giveBack(session);
      return { kind: 'accepted', answer };
    } catch (error) {
      session.close();
      if (error instanceof SmtpFailure) return outcomeOf(error);
      throw error;
    } finally {
      this.#busy.delete(session);
    }
  }

  #take(): SmtpSession | undefined {
    for (;;) {
      const idle = this.#idle.pop();
      if (idle === undefined) return undefined;
      clearTimeout(idle.timer);
      if (idle.session.usable) return idle.session;
    }
  }

  #giveBack(session: SmtpSession): void {
    if (!session.usable || this.#stopped || this.#idle.length >= this.#keep) {
      session.close();
      return;
    }
    const timer = setTimeout(() => {
      this.#idle.splice(
        this.#idle.findIndex((idle) => idle.session === session),
        1,
      );
      session.leave();
    }, this.#limits.idleMs);
    timer.unref();
    this.#idle.push({ session, timer });
  }
}

/** Commands whose answers speak of one mail; what is said to the others holds for every mail. */
const OF_ONE_MAIL = new Set(['MAIL FROM', 'RCPT TO', 'DATA']);
/** The answer to any command of a server that ends the connection. */
const LEAVING = 421;

/** What a failure says about the mail. */
function outcomeOf({ message: answer, command, status, code, handedOver }: SmtpFailure): SendOutcome {
  const isOfSession = status === LEAVING || (status !== undefined && !OF_ONE_MAIL.has(command));
  if (isOfSession) return { kind: 'later', answer, of: 'session' };
  if (status !== undefined && status >= 500) {
    return { kind: 'rejected', answer, recipient: command === 'RCPT TO' && speaksOfAddress(status, answer) };
  }
  if (status !== undefined) return { kind: 'later', answer, of: 'message' };
  if (handedOver) return { kind: 'unknown', answer };
  return { kind: 'later', answer, of: code === 'ETIMEDOUT' ? 'session' : 'server' };
}

/** 5.1.x (no such address) and 5.2.1 (mailbox closed) do; a policy (5.7.x) or a full mailbox does not. */
function speaksOfAddress(status: number, answer: string): boolean {
  const enhanced = /^\d{3}[ -](5\.\d{1,3}\.\d{1,3})\b/.exec(answer)?.[1];
  if (enhanced === undefined) return ADDRESS_STATUSES.has(status);
  return enhanced.startsWith('5.1.') || enhanced === '5.2.1';
}
