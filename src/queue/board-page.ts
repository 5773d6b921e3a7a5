/**
 * The board's page and its looks: Millrace's title and mark, the system's fonts, nothing from another site.
 *
 * Promises: the page works under a content security policy that allows no inline script and no other origin; what the
 * library's page brings that would break it (web fonts, styles of the loading screen) is taken out.
 */

/** SHA-256 of the style element inside the library's Redis mark, the only one it injects. */
const REDIS_MARK_STYLE = 'sha256-r2N1TB/gHbBtBZFKg7ejmq1acVSREzucTAEw6ga4hoU=';

/** Where the board's page and data may come from: this site alone. */
export const BOARD_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  `style-src 'self' '${REDIS_MARK_STYLE}'`,
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** A water wheel. */
const MARK =
  'data:image/svg+xml,' +
  encodeURIComponent(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" fill="none" stroke="#3b82a0" stroke-width="2.5">' +
      '<circle cx="16" cy="16" r="10"/><circle cx="16" cy="16" r="2.5"/>' +
      '<path d="M16 2v28M2 16h28M6.1 6.1l19.8 19.8M25.9 6.1L6.1 25.9"/></svg>',
  );

const SANS = "ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";
const MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'Liberation Mono', monospace";

/** Our style sheet, and its path below the board's. */
export const BOARD_STYLE = `:root, body.dark-mode { --font-sans: ${SANS}; --font-mono: ${MONO}; }\n`;
export const BOARD_STYLE_PATH = '/millrace.css';

/** How the board presents itself; the shape is the library's `UIConfig`. */
export const BOARD_LOOKS = {
  boardTitle: 'Millrace',
  boardLogo: { path: MARK, width: 22, height: 22 },
  favIcon: { default: MARK, alternative: MARK },
  miscLinks: [
    { text: 'Health', url: '/health' },
    { text: 'Metrics', url: '/metrics' },
  ],
  hideDocsLink: true,
};

/** The library's page with our style sheet and without what the policy would refuse. */
export function cleanPage(html: string): string {
  return html
    .replaceAll(/<link\b[^>]*\bhref="https?:[^>]*>\s*/g, '')
    .replace(/(<div id="root">)[\s\S]*?(<\/div>\s*)(?=<script defer)/, '$1Loading …$2')
    .replace('</head>', `<link href="${BOARD_STYLE_PATH.slice(1)}" rel="stylesheet"></head>`);
}
