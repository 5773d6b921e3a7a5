/**
 * A strict parser of Prometheus' text format 0.0.4: it throws at the first line that a careful server would refuse.
 */

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly type: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/;
const VALUE = /^(?:[+-]?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Inf)|NaN)$/i;
const TYPES = new Set(['counter', 'gauge', 'histogram', 'summary', 'untyped']);

/** The families of a page, by name. Throws with the line that is wrong. */
export function parsePrometheus(text: string): Map<string, Family> {
  if (!text.endsWith('\n')) throw new Error('the page does not end with a line feed');
  const families = new Map<string, { type: string; help: string; samples: Sample[] }>();
  const seen = new Set<string>();
  let current = '';
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const meta = new RegExp(`^# (HELP|TYPE) (${NAME}) (.*)$`).exec(line);
    if (meta !== null) {
      const [, kind = '', name = '', rest = ''] = meta;
      if (kind === 'HELP') {
        if (families.has(name)) throw new Error(`a second HELP: ${line}`);
        if (rest === '') throw new Error(`an empty HELP: ${line}`);
        families.set(name, { type: '', help: rest, samples: [] });
        current = name;
      } else {
        const family = families.get(name);
        if (family === undefined || name !== current) throw new Error(`TYPE without its HELP: ${line}`);
        if (family.type !== '' || family.samples.length > 0) throw new Error(`a late or second TYPE: ${line}`);
        if (!TYPES.has(rest)) throw new Error(`no such type: ${line}`);
        family.type = rest;
      }
      continue;
    }
    if (line.startsWith('#')) throw new Error(`a comment that is neither HELP nor TYPE: ${line}`);
    const sample = parseSample(line);
    const family = families.get(current);
    if (family === undefined || family.type === '') throw new Error(`a sample before its HELP and TYPE: ${line}`);
    if (!belongs(sample.name, current, family.type)) throw new Error(`a sample outside its family ${current}: ${line}`);
    const identity = `${sample.name} ${JSON.stringify(Object.entries(sample.labels).sort())}`;
    if (seen.has(identity)) throw new Error(`the same series twice: ${line}`);
    seen.add(identity);
    family.samples.push(sample);
  }
  for (const [name, family] of families) {
    if (family.type === 'histogram') checkHistogram(name, family.samples);
    if (family.type === 'counter' && family.samples.some(({ value }) => value < 0))
      throw new Error(`${name} is negative`);
  }
  return families;
}

function parseSample(line: string): Sample {
  const match = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (\\S+)$`).exec(line);
  if (match === null) throw new Error(`no sample: ${line}`);
  const [, name = '', inside = '', value = ''] = match;
  const labels: Record<string, string> = {};
  let rest = inside;
  while (rest !== '') {
    const label = LABEL.exec(rest);
    if (label === null) throw new Error(`wrong labels: ${line}`);
    const [whole, key = '', raw = ''] = label;
    if (key in labels) throw new Error(`the label ${key} twice: ${line}`);
    labels[key] = raw.replace(/\\(["\\n])/g, (_all, escaped: string) => (escaped === 'n' ? '\n' : escaped));
    rest = rest.slice(whole.length);
  }
  if (!VALUE.test(value)) throw new Error(`no number: ${line}`);
  return {
    name,
    labels,
    value: value.endsWith('Inf') ? (value.startsWith('-') ? -Infinity : Infinity) : Number(value),
  };
}

function belongs(sample: string, family: string, type: string): boolean {
  if (type === 'histogram') return ['_bucket', '_sum', '_count'].some((end) => sample === family + end);
  if (type === 'summary') return sample === family || ['_sum', '_count'].some((end) => sample === family + end);
  return sample === family;
}

/** Per set of labels: buckets in order, cumulative, closed by +Inf, which equals the count; and a sum. */
function checkHistogram(name: string, samples: readonly Sample[]): void {
  const sets = new Map<string, Sample[]>();
  for (const sample of samples) {
    const { le: _le, ...others } = sample.labels;
    const set = JSON.stringify(Object.entries(others).sort());
    sets.set(set, [...(sets.get(set) ?? []), sample]);
  }
  for (const [set, members] of sets) {
    const buckets = members.filter((sample) => sample.name === `${name}_bucket`);
    let last = { bound: -Infinity, value: 0 };
    for (const { labels, value } of buckets) {
      const bound = labels.le === '+Inf' ? Infinity : Number(labels.le ?? 'NaN');
      if (!(bound > last.bound)) throw new Error(`${name}${set}: le=${labels.le} is out of order`);
      if (value < last.value) throw new Error(`${name}${set}: le=${labels.le} is not cumulative`);
      last = { bound, value };
    }
    const count = members.filter((sample) => sample.name === `${name}_count`);
    const sum = members.filter((sample) => sample.name === `${name}_sum`);
    if (last.bound !== Infinity || count.length !== 1 || sum.length !== 1)
      throw new Error(`${name}${set} is incomplete`);
    if (count[0]?.value !== last.value) throw new Error(`${name}${set}: count is not le=+Inf`);
  }
}
