/** The strict parser that the metrics page is held against. */

import { describe, expect, it } from 'vitest';
import { parsePrometheus } from '../support/prometheus.ts';

const HISTOGRAM = [
  '# HELP h Help.',
  '# TYPE h histogram',
  'h_bucket{le="1",a="x"} 1',
  'h_bucket{le="+Inf",a="x"} 3',
  'h_sum{a="x"} 4.5',
  'h_count{a="x"} 3',
];

const wrong: Record<string, string[]> = {
  'a sample without TYPE': ['# HELP a Help.', 'a 1'],
  'a sample without HELP': ['a 1'],
  'a second family of one name': ['# HELP a H.', '# TYPE a gauge', 'a 1', '# HELP a H.', '# TYPE a gauge'],
  'the same series twice': ['# HELP a H.', '# TYPE a gauge', 'a{x="1",y="2"} 1', 'a{y="2",x="1"} 2'],
  'a quote that is not escaped': ['# HELP a H.', '# TYPE a gauge', 'a{x="1"2"} 1'],
  'a label twice': ['# HELP a H.', '# TYPE a gauge', 'a{x="1",x="2"} 1'],
  'a value that is no number': ['# HELP a H.', '# TYPE a gauge', 'a one'],
  'a sample of another family': ['# HELP a H.', '# TYPE a gauge', 'b 1'],
  'an unknown type': ['# HELP a H.', '# TYPE a meter', 'a 1'],
  'buckets that are not cumulative': HISTOGRAM.map((line) => line.replace('a="x"} 1', 'a="x"} 5')),
  'buckets out of order': HISTOGRAM.map((line) => line.replace('le="1"', 'le="nope"')),
  'a histogram without +Inf': HISTOGRAM.filter((line) => !line.includes('+Inf')),
  'a histogram without a sum': HISTOGRAM.filter((line) => !line.includes('_sum')),
  'a count that is not +Inf': HISTOGRAM.map((line) => line.replace('h_count{a="x"} 3', 'h_count{a="x"} 4')),
  'a negative counter': ['# HELP a H.', '# TYPE a counter', 'a -1'],
};

describe('the strict parser', () => {
  it('reads families, labels and escapes', () => {
    const page = [
      '# HELP a Help.',
      '# TYPE a gauge',
      'a{x="q\\"b\\\\n\\n",y="}"} 1.5e-3',
      'a NaN',
      ...HISTOGRAM,
      '',
    ].join('\n');
    const families = parsePrometheus(page);
    expect(families.get('a')?.samples[0]).toEqual({ name: 'a', labels: { x: 'q"b\\n\n', y: '}' }, value: 0.0015 });
    expect(families.get('h')?.type).toBe('histogram');
  });

  it.each(Object.entries(wrong))('refuses %s', (_what, lines) => {
    expect(() => parsePrometheus(`${lines.join('\n')}\n`)).toThrow();
  });

  it('refuses a page without a last line feed', () => {
    expect(() => parsePrometheus('# HELP a H.\n# TYPE a gauge\na 1')).toThrow(/line feed/);
  });
});
