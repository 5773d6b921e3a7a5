/**
 * One connection to a mail server, for one mail after the other. The door to nodemailer's SMTP connection.
 *
 * Promises: it speaks TLS where it must, or not at all; a send that fails says whether the whole mail had been handed
 * over by then, and one that cannot be opened leaves no connection; `close` ends it at once, whatever the server does.
 */

import { Readable } from 'node:stream';
import type SMTPConnection from 'nodemailer/lib/smtp-connection';

/** What nodemailer tells of a failure, as far as we look at it. */
interface Failure {
  readonly message: string;
  readonly code?: string | undefined;
  readonly command?: string | undefined;
  readonly response?: string | undefined;
  readonly responseCode?: number | undefined;
}

export interface SmtpServer {
  readonly host: string;
  readonly port: number;
  /** `secure`: TLS from the first byte; `starttls`: TLS before anything is said; `off`: none. */
  readonly tls: 'secure' | 'starttls' | 'off';
  readonly login: { readonly user: string; readonly pass: string } | undefined;
  /** Certificates to trust besides the system's. */
  readonly ca?: string;
}

/** Milliseconds of silence and of greeting that are borne; the whole of a send has a limit of its own. */
export interface SmtpLimits {
  readonly connectMs: number;
  readonly silenceMs: number;
}

/** A send that did not end with an acceptance. */
export class SmtpFailure extends Error {
  override readonly name = 'SmtpFailure';
  /** What the server answered to, such as `RCPT TO`; `CONN` when it answered nothing. */
  readonly command: string;
  /** The status of its answer, when it gave one. */
  readonly status: number | undefined;
  /** nodemailer's word for it, such as `ECONNECTION`. */
  readonly code: string;
  /** Had the last byte of the mail been handed over? */
  readonly handedOver: boolean;

  constructor(error: Failure, handedOver: boolean) {
    super(error.response ?? error.message);
    this.command = error.command ?? 'CONN';
    this.status = error.responseCode;
    this.code = error.code ?? '';
    this.handedOver = handedOver;
  }
}

export class SmtpSession {
  readonly #connection: SMTPConnection;
  #usable = true;

  private constructor(connection: SMTPConnection) {
    this.#connection = connection;
    connection.on('end', () => {
      this.#usable = false;
    });
    // The callback of whatever is under way is told as well.
    connection.on('error', () => {
      this.#usable = false;
    });
  }

  /** Connect, and log in where the server is to be told who we are. Rejects with `SmtpFailure`. */
  static async open({ host, port, tls, login, ca }: SmtpServer, limits: SmtpLimits, signal: AbortSignal) {
    const { default: Connection } = await import('nodemailer/lib/smtp-connection');
    const connection = new Connection({
      host,
      port,
      secure: tls === 'secure',
      requireTLS: tls === 'starttls',
      ignoreTLS: tls === 'off',
      connectionTimeout: limits.connectMs,
      greetingTimeout: limits.connectMs,
      socketTimeout: limits.silenceMs,
      // `close` destroys the socket instead of waiting for the other side.
      socketCloseTimeout: 0,
      logger: false,
      ...(ca !== undefined && { tls: { ca } }),
    });
    const session = new SmtpSession(connection);
    try {
      await session.#step(signal, (done) => connection.connect(done));
      if (login !== undefined) await session.#step(signal, (done) => connection.login(login, done));
      return session;
    } catch (error) {
      // A server that refuses the login leaves the connection open.
      session.close();
      throw error;
    }
  }

  /** Can it take another mail? */
  get usable(): boolean {
    return this.#usable;
  }

  /** Send one mail. Resolves with the server's answer; rejects with `SmtpFailure`. */
  async send(from: string, to: string, raw: Buffer, signal: AbortSignal): Promise<string> {
    const body = Readable.from([raw]);
    let handedOver = false;
    body.once('end', () => {
      handedOver = true;
    });
    let answer = '';
    await this.#step(
      signal,
      (done) =>
        this.#connection.send({ from, to: [to] }, body, (error, info) => {
          if (!error) answer = info.response;
          done(error);
        }),
      () => handedOver,
    );
    return answer;
  }

  /** Leave politely, without waiting for it. */
  leave(): void {
    if (this.#usable) this.#connection.quit();
    this.#usable = false;
  }

  /** End it now. */
  close(): void {
    this.#usable = false;
    this.#connection.close();
  }

  /** One exchange, which ends when the signal aborts. */
  async #step(
    signal: AbortSignal,
    begin: (done: (error?: Failure | null) => void) => void,
    handedOver: () => boolean = () => false,
  ): Promise<void> {
    let fail = (_error: Failure) => {};
    let onAbort = () => {};
    try {
      await new Promise<void>((resolve, reject) => {
        fail = (error) => reject(new SmtpFailure(error, handedOver()));
        onAbort = () => {
          fail(Object.assign(new Error('the time for it is over'), { code: 'ETIMEDOUT' }));
          this.close();
        };
        if (signal.aborted) return onAbort();
        signal.addEventListener('abort', onAbort, { once: true });
        this.#connection.once('error', fail);
        begin((error) => (error ? fail(error) : resolve()));
      });
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#connection.removeListener('error', fail);
    }
  }
}
