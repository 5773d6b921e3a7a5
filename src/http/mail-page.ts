/**
 * /admin/mail: what was mailed, newest first, and each mail as it looks. For whoever may see the board; reads only.
 *
 * Promises: a mail is shown in a frame that runs nothing, fetches nothing and is nobody's origin. Bodies are shown from
 * the local inbox; a mail server keeps its own. While PostgreSQL is away the page answers 503.
 */

import type { RequestHandler, Response, Router } from 'express';
import { AppError } from '../errors.ts';
import type { Deliveries, Delivery, DeliveryState } from '../mail/deliveries.ts';
import type { Inbox, InboxMail } from '../providers/inbox.ts';
import { adminPage, adminRouter } from './admin-page.ts';
import { type Html, html } from './html.ts';
import { MAIL_POLICY } from './routes/mail.ts';

const MOUNT = '/admin/mail';
const PER_PAGE = 50;
const STATES: readonly DeliveryState[] = ['waiting', 'sending', 'sent', 'failed', 'unknown', 'suppressed'];

const STYLE = `
.states { display: flex; flex-wrap: wrap; gap: .4rem 1rem; margin: 0 0 1rem; }
.states a { color: inherit; text-decoration: none; }
.states a[aria-current] { border-bottom: 2px solid var(--accent); }
td.when, td.state { white-space: nowrap; }
td.to, td.subject { overflow-wrap: anywhere; }
.badge { padding: .05rem .55rem; border-radius: 1rem; font-size: .85rem; background: #8882; }
.badge.sent { background: #2e8b5733; }
.badge.failed, .badge.unknown { background: #c0392b33; }
.badge.sending, .badge.waiting { background: #d68f0033; }
.pages { margin-top: 1rem; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.5rem; margin: 0 0 1.5rem; }
.facts dt { opacity: .65; }
.facts dd { margin: 0; overflow-wrap: anywhere; }
iframe { width: 100%; height: 32rem; border: 1px solid var(--line); border-radius: .4rem; background: #fff; }
pre { padding: 1rem; border: 1px solid var(--line); border-radius: .4rem; white-space: pre-wrap; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 1.5rem 0 .5rem; }
`;

export interface MailPageOptions {
  readonly login: RequestHandler;
  readonly deliveries: Pick<Deliveries, 'list' | 'one'>;
  readonly inbox: Pick<Inbox, 'get'>;
  /** Does mail go to a mail server? */
  readonly toServer: boolean;
}

/** The router to mount at `/admin/mail`. */
export function mailPage({ login, deliveries, inbox, toServer }: MailPageOptions): Router {
  const router = adminRouter(login);
  router.get('/mail.css', (_request, response) => void response.type('css').send(STYLE));
  router.get('/', async (request, response) => {
    const { state, before } = readQuery(request.query);
    const rows = await deliveries.list({
      limit: PER_PAGE + 1,
      ...(state !== undefined && { state }),
      ...(before !== undefined && { before }),
    });
    show(response, 'Mail', listOf(rows, state, before, toServer));
  });
  const find = async (id: string) => {
    const row = /^[1-9]\d{0,17}$/.test(id) ? await deliveries.one(id) : undefined;
    if (row === undefined) throw new AppError('not-found', 'There is no mail of this number.');
    const mail = toServer ? undefined : await inbox.get({ messageId: row.message_id, to: row.recipient });
    return { row, mail };
  };
  const body = async (id: string) => {
    const { mail } = await find(id);
    if (mail === undefined) throw new AppError('not-found', 'This mail is not in the local inbox.');
    return mail;
  };
  router.get('/:id', async (request, response) => {
    const { row, mail } = await find(request.params.id);
    show(response, row.subject, oneOf(row, mail, toServer));
  });
  router.get('/:id/html', async (request, response) => {
    const mail = await body(request.params.id);
    response.set('Content-Security-Policy', MAIL_POLICY).type('html').send(mail.html);
  });
  router.get('/:id/raw', async (request, response) => {
    const mail = await body(request.params.id);
    response.attachment(`mail-${request.params.id}.eml`).type('message/rfc822').send(mail.raw);
  });
  return router;
}

function show(response: Response, title: string, content: Html): void {
  const head = html`<link rel="icon" href="data:,"><link rel="stylesheet" href="${MOUNT}/mail.css">`;
  response.type('html').send(adminPage({ title, mount: MOUNT, content, head }));
}

/** What of the query is usable; the rest is as if it were not there. */
function readQuery({ state, before }: Readonly<Record<string, unknown>>) {
  const isNumber = typeof before === 'string' && /^[1-9]\d{0,17}$/.test(before);
  return { state: STATES.find((each) => each === state), before: isNumber ? before : undefined };
}

function listOf(found: Delivery[], state: DeliveryState | undefined, before: string | undefined, toServer: boolean) {
  const rows = found.slice(0, PER_PAGE);
  const last = found.length > PER_PAGE ? rows.at(-1)?.id : undefined;
  const filter = state === undefined ? '' : `state=${state}&`;
  const choices = [undefined, ...STATES].map((each) => {
    const href = each === undefined ? MOUNT : `${MOUNT}?state=${each}`;
    const current = each === state ? html` aria-current="page"` : undefined;
    return html`<a href="${href}"${current}>${each ?? 'all'}</a>`;
  });
  const where = toServer
    ? 'Mail goes to the mail server of SMTP_URL.'
    : 'Mail goes to the local inbox; nothing is sent.';
  const table = html`<table>
<thead><tr><th>When (UTC)</th><th>To</th><th>Subject</th><th>Template</th><th>Tenant</th><th>State</th></tr></thead>
<tbody>${rows.map(rowOf)}</tbody>
</table>`;
  return html`<p class="quiet">${where}</p>
<nav class="states">${choices}</nav>
${rows.length > 0 ? table : html`<p>There is no mail here.</p>`}
<p class="pages">${before === undefined ? undefined : html`<a href="${MOUNT}?${filter}">Newest</a> `}
${last === undefined ? undefined : html`<a href="${MOUNT}?${filter}before=${last}">Older</a>`}</p>`;
}

function rowOf(row: Delivery): Html {
  return html`<tr><td class="when">${timeOf(row.created_at)}</td><td class="to">${row.recipient}</td>
<td class="subject"><a href="${MOUNT}/${row.id}">${row.subject}</a></td><td>${row.template}</td>
<td>${row.tenant}</td><td class="state">${badge(row)}</td></tr>`;
}

function oneOf(row: Delivery, mail: InboxMail | undefined, toServer: boolean): Html {
  const facts: readonly (readonly [string, string | Html | null])[] = [
    ['State', html`${badge(row)} ${row.code ?? ''}`],
    ['From', row.sender],
    ['To', row.recipient],
    ['Message-ID', row.message_id],
    ['Template', row.template],
    ['Tenant', row.tenant],
    ['Job', row.job_id],
    ['Made', `${timeOf(row.created_at)} UTC`],
    ['Ended', row.ended_at === null ? null : `${timeOf(row.ended_at)} UTC`],
    ['Tries', String(row.tries)],
    ['Answer', row.answer],
  ];
  const shown = facts.filter(([, value]) => value !== null);
  const missing = toServer ? 'The mail server has the mail itself.' : 'The mail is not in the local inbox (any more).';
  return html`<dl class="facts">${shown.map(([name, value]) => html`<dt>${name}</dt><dd>${value ?? ''}</dd>`)}</dl>
${mail === undefined ? html`<p class="quiet">${missing}</p>` : bodyOf(row.id, mail)}
<p><a href="${MOUNT}">All mail</a></p>`;
}

function bodyOf(id: string, mail: InboxMail): Html {
  return html`<h2>HTML</h2>
<iframe src="${MOUNT}/${id}/html" sandbox="" title="The mail as HTML"></iframe>
<h2>Text</h2>
<pre>${mail.text}</pre>
<h2>Whole mail</h2>
<p><a href="${MOUNT}/${id}/raw">Download as .eml</a></p>
<pre>${headersOf(mail.raw)}</pre>`;
}

function badge({ state }: Delivery): Html {
  return html`<span class="badge ${state}">${state}</span>`;
}

/** The header lines of a mail. */
function headersOf(raw: Buffer): string {
  return raw.toString('utf8').split('\r\n\r\n', 1)[0] ?? '';
}

function timeOf(at: Date): string {
  return at.toISOString().slice(0, 19).replace('T', ' ');
}
