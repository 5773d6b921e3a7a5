/**
 * Numbers as written in JSON against numbers as JavaScript holds them.
 *
 * Promises: a number that overflows, that vanishes to zero, or an integer beyond 2^53 − 1 whose digits come back
 * different is named; a fraction that merely rounds (0.1, 3.141592653589793238) is not. Linear in the digits.
 */

/** What is wrong with the JSON number `raw`, as a predicate sentence; `undefined` when JavaScript can hold it. */
export function numberProblem(raw: string): string | undefined {
  const value = Number(raw);
  if (!Number.isFinite(value)) return 'is too large for a number';
  if (value === 0) return /^[-0.]*[1-9]/.test(raw) ? 'is too close to zero for a number' : undefined;
  if (Math.abs(value) <= Number.MAX_SAFE_INTEGER) return undefined;
  const written = significant(raw);
  if (!written.whole) return undefined;
  // Either form that JavaScript can give back counts as kept: the shortest (1152921504606847000) or the exact one.
  const kept =
    written.text === significant(String(value)).text || written.text === significant(`${BigInt(value)}`).text;
  return kept ? undefined : 'is an integer beyond 2^53 - 1 and would lose digits; send it as a string';
}

/** The digits without leading and trailing zeros and the power of ten they are multiplied with. */
function significant(raw: string): { text: string; whole: boolean } {
  const [mantissa = '', power = '0'] = raw.toLowerCase().split('e');
  const [before = '', after = ''] = mantissa.replace('-', '').split('.');
  const digits = before + after;
  let start = 0;
  let end = digits.length;
  while (start < end && digits[start] === '0') start++;
  while (end > start && digits[end - 1] === '0') end--;
  const exponent = Number(power) - after.length + (digits.length - end);
  return { text: `${digits.slice(start, end)}e${exponent}`, whole: exponent >= 0 };
}
