/** /v1/mail: what mails look like, who may send them, and who does not want them. */

import { hash } from 'node:crypto';
import { z } from 'zod';
import { AppError } from '../../errors.ts';
import type { Senders } from '../../mail/senders.ts';
import type { Suppressions } from '../../mail/suppressions.ts';
import { isTemplateName, mailAddress, TEMPLATES } from '../../mail/template-data.ts';
import type { Templates } from '../../mail/templates.ts';
import type { UnsubscribeLinks } from '../../mail/unsubscribe.ts';
import { parseMailbox } from '../../mail-address.ts';
import { type Html, html } from '../html.ts';
import { defineRoute, type Route, type RouteAnswer } from '../route.ts';

/** What a mail may do in a browser: show itself. */
export const MAIL_POLICY =
  "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'";
/** The page that asks whether to unsubscribe: one form. */
const PAGE_POLICY = "default-src 'none'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const HTML_TYPE = 'text/html; charset=utf-8';

const tenant = z.string().regex(/^[a-z0-9-]{1,64}$/, 'must be 1–64 characters of a–z, 0–9 and -');
const tokenQuery = z.object({ token: z.string().max(1000) });
const partQuery = z.strictObject({ part: z.enum(['html', 'text', 'subject']).default('html') });
const addressParams = z.strictObject({ address: mailAddress });
const senderBody = z.strictObject({
  address: mailAddress,
  name: z
    .string()
    .max(100)
    .default('')
    .refine((name) => parseMailbox(`${name} <a@example.com>`) !== undefined, 'must be one line without < > and "'),
  tenant: tenant.optional(),
});

export interface MailRoutesOptions {
  readonly templates: Templates;
  readonly senders: Senders;
  readonly suppressions: Suppressions;
  readonly links: UnsubscribeLinks;
  /** May templates be looked at? Not in production. */
  readonly preview: boolean;
}

export function mailRoutes(options: MailRoutesOptions): Route[] {
  return [...previewRoutes(options), ...senderRoutes(options), ...suppressionRoutes(options)];
}

function previewRoutes({ templates, preview }: MailRoutesOptions): Route[] {
  const refuse = () => {
    if (!preview) throw new AppError('not-found', 'Templates are shown where NODE_ENV is not production.');
  };
  return [
    defineRoute({
      method: 'GET',
      path: '/v1/mail/templates',
      access: 'caller',
      about: 'List the mail templates with what each is given; not in production.',
      handle: async () => {
        refuse();
        const listed = Object.entries(TEMPLATES).map(([name, { about, data, example, unsubscribable }]) => ({
          name,
          about,
          unsubscribable,
          data: z.toJSONSchema(data, { io: 'input', unrepresentable: 'any' }),
          example,
        }));
        return { body: { templates: listed } };
      },
    }),
    defineRoute({
      method: 'GET',
      path: '/v1/mail/templates/:name',
      access: 'caller',
      about: 'See a template with its example: ?part=html, text or subject; not in production.',
      query: partQuery,
      handle: async ({ params, query }) => {
        refuse();
        const name = params.name ?? '';
        if (!isTemplateName(name)) throw new AppError('not-found', 'There is no template of this name.');
        const { example, unsubscribable } = TEMPLATES[name];
        const link = unsubscribable ? 'https://example.com/v1/mail/unsubscribe?token=example' : null;
        const rendered = await templates.render(name, example, link);
        if (query.part !== 'html') return { text: rendered[query.part] };
        return page(rendered.html, MAIL_POLICY);
      },
    }),
  ];
}

function senderRoutes({ senders }: MailRoutesOptions): Route[] {
  return [
    defineRoute({
      method: 'GET',
      path: '/v1/mail/senders',
      access: 'caller',
      about: 'The addresses that your tenant may send from.',
      handle: async ({ tenant: own }) => ({ body: { senders: await senders.list(own) } }),
    }),
    defineRoute({
      method: 'POST',
      path: '/v1/mail/senders',
      access: 'operator',
      about: 'Let a tenant, your own unless told, send from an address that you have verified.',
      body: senderBody,
      handle: async ({ tenant: own, body: { tenant: other = own, ...sender } }) => {
        await senders.add(other, sender);
        return { status: 201, body: { tenant: other, ...sender } };
      },
    }),
    defineRoute({
      method: 'DELETE',
      path: '/v1/mail/senders/:address',
      access: 'operator',
      about: 'Take the right to send from an address away; ?tenant= for another tenant.',
      params: addressParams,
      query: z.strictObject({ tenant: tenant.optional() }),
      handle: async ({ tenant: own, params, query }) => {
        if (await senders.remove(query.tenant ?? own, params.address)) return {};
        throw new AppError('not-found', 'The tenant has no such sender.');
      },
    }),
  ];
}

function suppressionRoutes({ suppressions, links }: MailRoutesOptions): Route[] {
  return [
    defineRoute({
      method: 'GET',
      path: '/v1/mail/suppressions',
      access: 'caller',
      about: 'The newest 1000 addresses that your tenant does not write to, and why.',
      handle: async ({ tenant: own }) => ({ body: { suppressions: await suppressions.list(own) } }),
    }),
    defineRoute({
      method: 'DELETE',
      path: '/v1/mail/suppressions/:address',
      access: 'caller',
      about: 'Write to an address again.',
      params: addressParams,
      handle: async ({ tenant: own, params }) => {
        if (await suppressions.remove(own, params.address)) return {};
        throw new AppError('not-found', 'Nothing holds back mail to this address.');
      },
    }),
    defineRoute({
      method: 'GET',
      path: '/v1/mail/unsubscribe',
      access: 'open',
      about: 'The page that a recipient’s unsubscribe link opens; it changes nothing.',
      query: tokenQuery,
      handle: async ({ query }) => {
        const { address } = await links.read(query.token);
        return asking(
          'Unsubscribe?',
          html`<p>No more mail to <strong>${address}</strong>.</p>
<form method="post"><button>Unsubscribe</button></form>`,
        );
      },
    }),
    defineRoute({
      method: 'POST',
      path: '/v1/mail/unsubscribe',
      access: 'open',
      about: 'Unsubscribe, by the page’s button or by one click in a mail reader (RFC 8058).',
      query: tokenQuery,
      handle: async ({ query }) => {
        const { tenant: of, address } = await links.read(query.token);
        await suppressions.add(of, address, 'unsubscribed');
        return asking('Unsubscribed', html`<p><strong>${address}</strong> gets no more of these mails.</p>`);
      },
    }),
  ];
}

function pageStyle(): Html {
  return html`:root { color-scheme: light dark; font: 17px/1.5 ui-sans-serif, system-ui, sans-serif; }
body { max-width: 30rem; margin: 15vh auto; padding: 2rem; border: 1px solid #8884; border-radius: .6rem; }
h1 { margin: 0; font-size: 1.4rem; }
button { padding: .6rem 1.2rem; border: 0; border-radius: .4rem; background: #2f6f8f; color: #fff; font: inherit; }`;
}

/** A page of its own, with nothing to fetch; the policy names its one style. */
function asking(title: string, content: Html): RouteAnswer {
  const style = pageStyle();
  const { text } = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title><link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body><h1>${title}</h1>
${content}
</body>
</html>`;
  return page(text, `${PAGE_POLICY}; style-src 'sha256-${hash('sha256', style.text, 'base64')}'`);
}

function page(text: string, policy: string): RouteAnswer {
  return { text, headers: { 'Content-Type': HTML_TYPE, 'Content-Security-Policy': policy } };
}
