/**
 * The frame of our own pages below /admin: the login, the headers, one head, one navigation and one style sheet.
 *
 * Promises: nothing is seen without the login; a page loads nothing from another site and runs no inline script, and
 * nothing it shows can (`html.ts` escapes, the policy refuses).
 */

import { type RequestHandler, Router } from 'express';
import { type Html, html } from './html.ts';

/** Where a page's parts may come from: this site alone. */
export const ADMIN_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "frame-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'self'",
].join('; ');

const PAGES = [
  ['/admin/queues', 'Queues'],
  ['/admin/mail', 'Mail'],
  ['/admin/analytics', 'Analytics'],
] as const;

const STYLE = `
:root { color-scheme: light dark; font: 15px/1.5 ui-sans-serif, system-ui, sans-serif; --line: #8884; --accent: #3b82a0; }
body { margin: 0 auto; padding: 0 1.5rem 3rem; max-width: 75rem; }
header { display: flex; gap: 1.5rem; align-items: baseline; padding: 1rem 0; border-bottom: 1px solid var(--line); }
header strong { color: var(--accent); }
nav a { margin-right: 1rem; color: inherit; text-decoration: none; }
nav a[aria-current] { border-bottom: 2px solid var(--accent); }
h1 { font-size: 1.4rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
.quiet { opacity: .65; }
`;

/** A router for one page and what belongs to it: login and headers are set, the style sheet is at `admin.css`. */
export function adminRouter(login: RequestHandler): Router {
  const router = Router({ strict: true });
  router.use(setHeaders, login);
  router.get('/admin.css', (_request, response) => void response.type('css').send(STYLE));
  return router;
}

export interface AdminPage {
  readonly title: string;
  /** Where it is mounted, such as `/admin/mail`: its style sheet and the mark in the navigation follow from it. */
  readonly mount: string;
  readonly content: Html;
  /** Style sheets and scripts of its own. */
  readonly head?: Html;
}

/** A whole page. */
export function adminPage({ title, mount, content, head }: AdminPage): string {
  const links = PAGES.map(([path, name]) =>
    path === mount ? html`<a href="${path}" aria-current="page">${name}</a>` : html`<a href="${path}">${name}</a>`,
  );
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · Millrace</title>
<link rel="stylesheet" href="${mount}/admin.css">${head}
</head>
<body>
<header><strong>Millrace</strong><nav>${links}</nav></header>
<main>
<h1>${title}</h1>
${content}
</main>
</body>
</html>`.text;
}

const setHeaders: RequestHandler = (_request, response, next) => {
  response.set({
    'Content-Security-Policy': ADMIN_POLICY,
    'Cache-Control': 'no-store',
    'Referrer-Policy': 'same-origin',
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'SAMEORIGIN',
  });
  next();
};
