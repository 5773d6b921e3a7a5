/** Quantities as a person writes them on a command line, and back. Each reader gives undefined for what it cannot read. */

const UNITS_MS = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000 } as const;

/** Milliseconds of `500ms`, `60s`, `1.5m`, `1h`. A number without a unit is not understood: of which unit would it be? */
export function readDuration(text: string): number | undefined {
  const match = /^(\d+(?:[.]\d+)?)(ms|s|min|m|h)$/.exec(text);
  if (match === null) return undefined;
  return Number(match[1]) * UNITS_MS[match[2] as keyof typeof UNITS_MS];
}

/** A share from 0 to 1 of `1%` or `0.01`. */
export function readShare(text: string): number | undefined {
  const match = /^(\d+(?:[.]\d+)?)(%?)$/.exec(text);
  if (match === null) return undefined;
  const share = Number(match[1]) / (match[2] === '%' ? 100 : 1);
  return share <= 1 ? share : undefined;
}

/** A number of `150`, `0.5` or `1e3`, not below zero. */
export function readNumber(text: string): number | undefined {
  return /^\d+(?:[.]\d+)?(?:e\d)?$/.test(text) ? Number(text) : undefined;
}

/** Milliseconds as a person reads them: `40 µs`, `0.42 ms`, `3.4 ms`, `123 ms`, `1.23 s`. */
export function showMs(ms: number): string {
  if (ms === 0) return '0 ms';
  if (ms < 0.0995) return `${Math.max(1, Math.round(ms * 1000))} µs`;
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  return ms < 9995 ? `${(ms / 1000).toFixed(2)} s` : `${(ms / 1000).toFixed(1)} s`;
}

/** As it was shown, without digits that say nothing: `5 ms` for `5.0 ms`. For the labels of an axis. */
export function plain(shown: string): string {
  return shown.replace(/[.]0+(?=\s|$)/, '').replace(/([.]\d*?[1-9])0+(?=\s|$)/, '$1');
}

/** A span of time: `45 s`, `2 s`, `1 min 30 s`, `1 h`. */
export function showSpan(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = Math.round(ms / 100) / 10;
  if (seconds < 60) return `${seconds} s`;
  const whole = Math.round(seconds);
  const parts = [
    [Math.floor(whole / 3600), 'h'],
    [Math.floor((whole % 3600) / 60), 'min'],
    [whole % 60, 's'],
  ] as const;
  return parts.flatMap(([count, unit]) => (count > 0 ? [`${count} ${unit}`] : [])).join(' ');
}

/** A count or a rate: `0.5`, `12.3`, `1,234`. */
export function showCount(count: number): string {
  const rounded = count < 100 && !Number.isInteger(count) ? Math.round(count * 10) / 10 : Math.round(count);
  return rounded.toLocaleString('en-GB');
}

/** A share: `0 %`, `0.12 %`, `3.4 %`, `100 %`. What is not nothing never looks like nothing. */
export function showShare(share: number): string {
  const percent = share * 100;
  if (percent === 0 || percent === 100) return `${percent} %`;
  if (percent < 0.01) return '< 0.01 %';
  if (percent > 99.9) return '> 99.9 %';
  return `${percent < 1 ? percent.toFixed(2) : percent.toFixed(1)} %`;
}
