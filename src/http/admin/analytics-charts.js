/** The analytics page: asks for the figures, and shows them as tiles, charts and a table. Runs in the browser. */

/* global document, fetch */

import { addChart, element, written } from './analytics-chart.js';

const PAINTS = ['good', 'warm', 'leaf', 'plum', 'calm', 'bad'];

/** What has charts of its own; whatever else was counted gets one for each first word of its name. */
const SHOWN = /^(jobs|wait|run|cache|feedback|adaptation)[.]/;

const TITLES = { ai: 'AI replies' };

const charts = document.querySelector('#charts');

try {
  const response = await fetch(charts.dataset.source, { headers: { accept: 'application/json' } });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.detail ?? `The service answered ${response.status}.`);
  show(answer);
} catch (error) {
  const trouble = document.querySelector('#trouble');
  trouble.textContent = `The figures cannot be shown: ${error.message}`;
  trouble.hidden = false;
} finally {
  charts.removeAttribute('aria-busy');
}

function show({ days, series }) {
  const byName = new Map(series.map((each) => [each.name, each]));
  if (byName.size === 0) {
    document.querySelector('#empty').hidden = false;
    return;
  }
  const none = days.map(() => null);
  const zero = days.map(() => 0);
  const values = (name, otherwise = none) => byName.get(name)?.values ?? otherwise;
  showTiles(byName);
  const add = (chart) => addChart(charts, { days, ...chart });
  add({
    title: 'Jobs',
    about: 'Attempts that ended, by how they ended.',
    unit: 'count',
    bars: true,
    wide: true,
    lines: [
      { label: 'completed', paint: 'good', values: values('jobs.completed', zero) },
      { label: 'failed, tried again', paint: 'warm', values: values('jobs.retry', zero) },
      { label: 'dead', paint: 'bad', values: values('jobs.dead', zero) },
    ],
  });
  for (const [what, title, about] of [
    ['wait', 'Waiting', 'From when a job could have started until its first attempt did.'],
    ['run', 'Running', 'How long an attempt took that was not put off.'],
  ]) {
    const lines = [50, 95].map((percent, index) => ({
      label: `p${percent}`,
      paint: PAINTS[index],
      values: values(`${what}.p${percent}`),
    }));
    add({ title, about, unit: 'ms', lines });
  }
  const whole = () => [0, 1];
  const ratio = { label: 'hit ratio', paint: 'good', values: values('cache.hit-ratio') };
  add({
    title: 'Cache',
    about: 'Reads that were answered from the cache.',
    unit: 'share',
    range: whole,
    lines: [ratio],
  });
  const rating = { label: 'mean rating', paint: 'warm', values: values('feedback.rating') };
  add({
    title: 'Feedback',
    about: 'What writers think of generated texts, 1 to 5.',
    unit: 'rating',
    range: () => [1, 5],
    lines: [rating],
  });
  const adapted = { label: 'changed less by', paint: 'leaf', values: values('adaptation.accuracy') };
  add({
    title: 'Adaptation',
    mark: 'experimental',
    about: 'How much less of a text writers change than in their first five edits.',
    unit: 'share',
    range: (_plot, min) => [Math.min(0, min ?? 0), 1],
    lines: [adapted],
  });
  for (const [group, found] of groupedByWord(series.filter(({ name }) => !SHOWN.test(name)))) {
    const lines = found
      .slice(0, PAINTS.length)
      .map(({ name, values: own }, index) => ({ label: name, paint: PAINTS[index], values: own }));
    const more = found.length - lines.length;
    const about =
      more > 0
        ? `The first ${lines.length} series; ${more} more are at GET /v1/analytics.`
        : 'As it was counted, by day.';
    // Amounts of one kind of thing stand on each other; what callers record may be anything.
    add({ title: TITLES[group] ?? capital(group), about, unit: found[0].unit, bars: group !== 'usage', lines });
  }
  showKinds(series);
}

/** Series that can share a chart: those with one first word and one unit. */
function groupedByWord(series) {
  const groups = new Map();
  for (const each of series) {
    const [word] = each.name.split('.');
    const group = each.unit === 'count' ? word : each.name;
    groups.set(group, [...(groups.get(group) ?? []), each]);
  }
  return groups;
}

function capital(group) {
  return group[0].toUpperCase() + group.slice(1).replaceAll('.', ' ');
}

function sum(values) {
  return values.reduce((total, value) => total + (value ?? 0), 0);
}

function showTiles(byName) {
  const of = (name) => byName.get(name)?.values ?? [];
  const total = (name) => sum(of(name));
  const share = (part, all) => (all > 0 ? part / all : null);
  const ended = total('jobs.completed') + total('jobs.dead');
  const ratings = sum(of('feedback.rating').map((rating, day) => (rating ?? 0) * of('feedback.given')[day]));
  const newest = of('adaptation.accuracy').findLast((value) => value !== null);
  const tiles = [
    ['jobs completed', total('jobs.completed'), 'count'],
    ['of all jobs died', share(total('jobs.dead'), ended), 'share'],
    ['answered from the cache', share(total('cache.hits'), total('cache.hits') + total('cache.misses')), 'share'],
    ['mean rating', share(ratings, total('feedback.given')), 'rating'],
    ['adaptation (experimental)', newest, 'share'],
  ];
  for (const [label, value, unit] of tiles) {
    const tile = element('div', undefined, 'tile');
    tile.append(element('b', written(value, unit)), element('span', label));
    document.querySelector('#tiles').append(tile);
  }
}

/** A row for each kind of job: how its attempts ended in these days. */
function showKinds(series) {
  const outcomes = ['completed', 'retry', 'dead'];
  const kinds = new Map();
  for (const { name, values } of series) {
    const [, outcome, job] = /^jobs[.]([a-z-]+):(.+)$/.exec(name) ?? [];
    if (!outcomes.includes(outcome)) continue;
    kinds.set(job, { ...kinds.get(job), [outcome]: sum(values) });
  }
  if (kinds.size === 0) return;
  const table = element('table');
  const head = table.createTHead().insertRow();
  for (const title of ['kind of job', 'completed', 'tried again', 'dead']) head.append(element('th', title));
  const body = table.createTBody();
  for (const [job, counts] of [...kinds].sort()) {
    const row = body.insertRow();
    row.append(element('td', job), ...outcomes.map((outcome) => element('td', written(counts[outcome] ?? 0, 'count'))));
  }
  document.querySelector('#kinds').append(element('h2', 'By kind'), table);
}
