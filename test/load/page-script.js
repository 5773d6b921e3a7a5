// Points at the values of the charts, with the mouse, a finger or the arrow keys.
for (const chart of document.querySelectorAll('[data-chart]')) {
  const { at, labels, series, plot } = JSON.parse(chart.dataset.chart);
  const drawing = chart.querySelector('.drawing');
  const svg = chart.querySelector('svg');
  const cross = chart.querySelector('.cross');
  const tip = chart.querySelector('.tip');
  const [plotLeft, plotWidth] = plot;
  let shown = -1;

  const write = {
    ms: (ms) => (ms >= 999.5 ? `${(ms / 1000).toFixed(2)} s` : `${ms.toFixed(ms < 1 ? 2 : ms < 10 ? 1 : 0)} ms`),
    count: (count) => count.toLocaleString('en-GB', { maximumFractionDigits: 0 }),
    rate: (rate) => `${rate.toLocaleString('en-GB', { maximumFractionDigits: 1 })}/s`,
    share: (share) => `${(share * 100).toFixed(1)} %`,
  };

  const hide = () => {
    shown = -1;
    tip.hidden = true;
    cross.style.visibility = 'hidden';
  };

  const show = (index) => {
    shown = Math.min(at.length - 1, Math.max(0, index));
    const x = (plotLeft + at[shown] * plotWidth) * svg.viewBox.baseVal.width;
    cross.setAttribute('x1', x);
    cross.setAttribute('x2', x);
    cross.style.visibility = 'visible';
    tip.replaceChildren();
    const title = document.createElement('b');
    title.textContent = labels[shown];
    tip.append(title);
    for (const { name, look, unit, values } of series) {
      const row = document.createElement('div');
      const key = document.createElement('i');
      key.className = `key ${look}`;
      const value = document.createElement('span');
      value.textContent = values[shown] === null ? '–' : write[unit](values[shown]);
      row.append(key, name, value);
      tip.append(row);
    }
    tip.hidden = false;
    const place = (plotLeft + at[shown] * plotWidth) * svg.clientWidth;
    const room = drawing.clientWidth - tip.offsetWidth;
    const left = place + 12 > room ? place - tip.offsetWidth - 12 : place + 12;
    tip.style.left = `${Math.max(0, left)}px`;
  };

  drawing.addEventListener('pointermove', (event) => {
    const box = svg.getBoundingClientRect();
    const position = ((event.clientX - box.left) / box.width - plotLeft) / plotWidth;
    let nearest = 0;
    for (let index = 1; index < at.length; index++) {
      if (Math.abs(at[index] - position) < Math.abs(at[nearest] - position)) nearest = index;
    }
    show(nearest);
  });
  drawing.addEventListener('pointerleave', hide);
  chart.addEventListener('blur', hide);
  chart.addEventListener('keydown', (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === 'Escape') hide();
    if (step === undefined) return;
    event.preventDefault();
    show(shown === -1 ? 0 : shown + step);
  });
}
