/**
 * The requests of a load, one after the other: which job comes next, and its body.
 *
 * A payload is the definition's example with other ids: every text or whole number under a name that ends in `id` or
 * `Id` (or a list of texts under `Ids`). Promises: the same seed, mix and definitions give the same requests in the
 * same order; a value that would not fit its schema stays as the example has it.
 */

import { drawPart } from './mix.ts';
import { Random } from './random.ts';

/** A kind of job, as `GET /v1/definitions` tells it. */
export interface Definition {
  readonly name: string;
  readonly queue: string;
  readonly example: unknown;
  /** JSON Schema of the payload. */
  readonly payload: unknown;
}

/** One request, ready to be sent. */
export interface PlannedRequest {
  readonly job: string;
  readonly path: string;
  readonly body: string;
  /** Jobs in it. */
  readonly jobs: number;
}

export interface RequestMakerOptions {
  readonly parts: readonly [WeightedDefinition, ...WeightedDefinition[]];
  readonly seed: number;
  /** Jobs in one request; 1: no bulk. */
  readonly bulk: number;
  /** How many values an id takes; 0: another one each time. */
  readonly ids: number;
}

export interface WeightedDefinition {
  readonly definition: Definition;
  readonly weight: number;
}

export class RequestMaker {
  readonly #parts: readonly [Part, ...Part[]];
  readonly #choice: Random;
  readonly #values: Random;
  readonly #bulk: number;
  readonly #ids: number;
  #serial = 0;

  constructor({ parts: [first, ...rest], seed, bulk, ids }: RequestMakerOptions) {
    const prepare = ({ definition, weight }: WeightedDefinition): Part => ({
      weight,
      template: new Template(definition, seed),
    });
    this.#parts = [prepare(first), ...rest.map(prepare)];
    this.#choice = new Random(seed, 'choice');
    this.#values = new Random(seed, 'values');
    this.#bulk = bulk;
    this.#ids = ids;
  }

  /** Which parts of each job's payload are other ones in each request. */
  get varied(): Readonly<Record<string, readonly string[]>> {
    return Object.fromEntries(this.#parts.map(({ template }) => [template.job, template.varied]));
  }

  /** The next request. All jobs of a bulk request are of one kind. */
  next(): PlannedRequest {
    const { template } = drawPart(this.#parts, this.#choice);
    const { job } = template;
    if (this.#bulk === 1) return { job, path: '/v1/jobs', body: this.#fill(template), jobs: 1 };
    const bodies = Array.from({ length: this.#bulk }, () => this.#fill(template));
    return { job, path: '/v1/jobs/bulk', body: `{"jobs":[${bodies.join(',')}]}`, jobs: this.#bulk };
  }

  #fill(template: Template): string {
    this.#serial += 1;
    return template.fill(() => (this.#ids === 0 ? this.#serial : this.#values.below(this.#ids)));
  }
}

interface Part {
  readonly weight: number;
  readonly template: Template;
}

/** Makes the value of an id from its number, as JSON. */
type MakeId = (number: number) => string;

/** The body of a request for one job, cut where an id goes. */
class Template {
  readonly job: string;
  /** Paths of the ids, such as `userId` or `author.id`. */
  readonly varied: readonly string[];
  readonly #texts: readonly string[];
  readonly #ids: readonly MakeId[];

  constructor({ name, example, payload }: Definition, seed: number) {
    this.job = name;
    const found: { path: string; make: MakeId }[] = [];
    // Letters that no example has: they stand for themselves in JSON and in a pattern.
    const marker = `id-goes-here-${seed}-`;
    const mark = (path: string, make: MakeId) => `${marker}${found.push({ path, make }) - 1}-`;
    const marked = markIds(example, payload, '', seed, mark);
    const pieces = JSON.stringify({ job: name, payload: marked }).split(new RegExp(`"${marker}(\\d+)-"`));
    this.#texts = pieces.filter((_, index) => index % 2 === 0);
    const order = pieces.filter((_, index) => index % 2 === 1).map(Number);
    this.#ids = order.flatMap((index) => found[index]?.make ?? []);
    this.varied = order.flatMap((index) => found[index]?.path ?? []);
  }

  fill(number: () => number): string {
    let body = this.#texts[0] ?? '';
    for (const [index, make] of this.#ids.entries()) body += make(number()) + (this.#texts[index + 1] ?? '');
    return body;
  }
}

const ID_NAME = /^id$|Id$|_id$/;
const ID_LIST = /^ids$|Ids$|_ids$/;

/** The example with a mark wherever an id goes. */
function markIds(
  value: unknown,
  schema: unknown,
  path: string,
  seed: number,
  mark: (path: string, make: MakeId) => string,
): unknown {
  if (!isRecord(value)) return value;
  const properties = isRecord(schema) && isRecord(schema.properties) ? schema.properties : {};
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => {
      const below = properties[name];
      const at = path === '' ? name : `${path}.${name}`;
      if (ID_LIST.test(name) && Array.isArray(each)) {
        const items = isRecord(below) ? below.items : undefined;
        return [name, each.map((item, index) => markId(item, items, `${at}.${index}`, seed, mark))];
      }
      if (ID_NAME.test(name) && !isRecord(each)) return [name, markId(each, below, at, seed, mark)];
      return [name, markIds(each, below, at, seed, mark)];
    }),
  );
}

function markId(
  value: unknown,
  schema: unknown,
  path: string,
  seed: number,
  mark: (path: string, make: MakeId) => string,
): unknown {
  const make = maker(value, isRecord(schema) ? schema : {}, seed);
  return make === undefined ? value : mark(path, make);
}

/** How an id of this schema is made; undefined when we do not know one that fits. */
function maker(example: unknown, schema: Record<string, unknown>, seed: number): MakeId | undefined {
  if (Number.isInteger(example)) {
    const { maximum } = schema;
    const limit = typeof maximum === 'number' ? Math.max(1, maximum) : Number.MAX_SAFE_INTEGER;
    return (number) => String((number % limit) + 1);
  }
  if (typeof example !== 'string') return undefined;
  if (schema.format === 'uuid') {
    const head = seed.toString(16).padStart(8, '0');
    return (number) => `"${head}-0000-4000-8000-${number.toString(16).padStart(12, '0')}"`;
  }
  const make = (number: number) => `load-${seed.toString(36)}-${number}`;
  return fits(make(999_999_999), schema) && fits(make(0), schema)
    ? (number) => JSON.stringify(make(number))
    : undefined;
}

function fits(
  text: string,
  { maxLength, minLength, pattern, format, enum: choices }: Record<string, unknown>,
): boolean {
  if (typeof format === 'string' || Array.isArray(choices)) return false;
  if (typeof maxLength === 'number' && text.length > maxLength) return false;
  if (typeof minLength === 'number' && text.length < minLength) return false;
  return typeof pattern !== 'string' || matches(pattern, text);
}

/** A pattern that is no regular expression here is one that we cannot promise to fit. */
function matches(pattern: string, text: string): boolean {
  try {
    return new RegExp(pattern, 'u').test(text);
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
