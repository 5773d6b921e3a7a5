/**
 * From data to a mail: subject, HTML and text. The door to Handlebars.
 *
 * Promises: only the files in `templates/` are templates, each read and compiled once, when it is first used; data is
 * checked against the template's schema before; a name that the data does not have is an error and not an empty place;
 * there are no helpers but `if`, and nothing of a prototype can be reached.
 */

import { readFile } from 'node:fs/promises';
import { AppError } from '../errors.ts';
import { isHeaderLine } from '../mail-address.ts';
import { problemsFromZod } from '../problems.ts';
import { TEMPLATES, type TemplateName } from './template-data.ts';

/** A mail as people see it. */
export interface RenderedMail {
  readonly subject: string;
  readonly html: string;
  readonly text: string;
}

type Render = (context: Readonly<Record<string, unknown>>) => string;
type Compiled = Readonly<Record<keyof RenderedMail, Render>>;

export class Templates {
  readonly #compiled = new Map<TemplateName, Promise<Compiled>>();

  /** Put data into a template. Throws `payload-invalid` for data that it does not take. */
  async render(name: TemplateName, data: unknown, unsubscribeUrl: string | null): Promise<RenderedMail> {
    const parsed = TEMPLATES[name].data.safeParse(data);
    if (!parsed.success) {
      const problems = problemsFromZod(parsed.error);
      const first = problems[0];
      throw new AppError('payload-invalid', `${first?.pointer || '/'}: ${first?.message ?? 'wrong'}`, { problems });
    }
    const { subject, html, text } = await this.#template(name);
    const context = { ...parsed.data, unsubscribeUrl };
    const line = subject(context).trim();
    if (!isHeaderLine(line)) throw new AppError('payload-invalid', 'The subject would not be one line.');
    return { subject: line, html: html(context), text: text(context) };
  }

  #template(name: TemplateName): Promise<Compiled> {
    const compiled = this.#compiled.get(name) ?? compile(name);
    this.#compiled.set(name, compiled);
    // A file that could not be read is read again by the next mail.
    compiled.catch(() => this.#compiled.delete(name));
    return compiled;
  }
}

async function compile(name: TemplateName): Promise<Compiled> {
  const { default: handlebars } = await import('handlebars');
  const own = handlebars.create();
  for (const helper of ['with', 'each', 'unless', 'lookup', 'log']) own.unregisterHelper(helper);
  const load = async (part: keyof RenderedMail): Promise<Render> => {
    const source = await readFile(new URL(`templates/${name}/${part}.hbs`, import.meta.url), 'utf8');
    const render = own.compile(source, {
      strict: true,
      knownHelpersOnly: true,
      knownHelpers: { if: true, with: false, each: false, unless: false, lookup: false, log: false },
      noEscape: part !== 'html',
    });
    return (context) =>
      render(context, { allowProtoPropertiesByDefault: false, allowProtoMethodsByDefault: false, partials: {} });
  };
  const [subject, html, text] = await Promise.all([load('subject'), load('html'), load('text')]);
  return { subject, html, text };
}
