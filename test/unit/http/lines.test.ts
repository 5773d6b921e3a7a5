import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Line, Lines } from '../../../src/http/lines.ts';

/** Every line of these pieces, taken as soon as it is there. */
function linesOf(pieces: readonly Uint8Array[], maxBytes = 100): Line[] {
  const lines = new Lines(maxBytes);
  const found: Line[] = [];
  const take = () => {
    for (let line = lines.next(); line !== undefined; line = lines.next()) found.push(line);
  };
  for (const piece of pieces) {
    lines.push(Buffer.from(piece));
    take();
  }
  lines.end();
  take();
  expect(lines.isEmpty).toBe(true);
  return found;
}

const texts = (...pieces: string[]) => linesOf(pieces.map((piece) => Buffer.from(piece)));

describe('lines', () => {
  it('are numbered from 1, blank ones counted and passed over, the last with or without a line feed', () => {
    const expected = [
      { number: 1, text: 'a' },
      { number: 3, text: 'b\r' },
      { number: 5, text: ' c' },
    ];
    expect(texts('a\n\nb\r\n \t\r\n c')).toEqual(expected);
    expect(texts('a\n\nb\r\n \t\r\n c\n')).toEqual(expected);
    expect(texts('')).toEqual([]);
    expect(texts('\n\n')).toEqual([]);
  });

  it('come out the same wherever the pieces are cut', () => {
    const line = fc.array(fc.constantFrom('a', 'é', '😀', ' ', '\r', '\u2028', '\ufeff', 'x'.repeat(60)), {
      maxLength: 4,
    });
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 8 }),
        fc.array(fc.nat({ max: 400 })),
        fc.boolean(),
        (parts, cuts, last) => {
          const bytes = Buffer.from(parts.map((part) => part.join('')).join('\n') + (last ? '\n' : ''));
          const at = [0, ...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length];
          const pieces = at.slice(1).map((end, from) => bytes.subarray(at[from], end));
          expect(linesOf(pieces)).toEqual(linesOf([bytes]));
        },
      ),
    );
  });

  it('may have as many bytes as the limit says and no more; what follows a longer one is unharmed', () => {
    const expected = [
      { number: 1, text: 'é'.repeat(50) },
      { number: 2, wrong: 'too-long' },
      { number: 3, text: 'b' },
      { number: 4, wrong: 'too-long' },
    ];
    const text = `${'é'.repeat(50)}\n${'a'.repeat(101)}\nb\n${'c'.repeat(5000)}`;
    expect(texts(text)).toEqual(expected);
    expect(texts(...text)).toEqual(expected);
  });

  it('are each checked for UTF-8: a wrong byte costs its own line', () => {
    const pieces = [Buffer.from('a\n'), Buffer.from([0xff, 0x0a, 0x62, 0x0a, 0xc3]), Buffer.from([0xa9, 0x0a, 0xc3])];
    expect(linesOf(pieces)).toEqual([
      { number: 1, text: 'a' },
      { number: 2, wrong: 'not-utf8' },
      { number: 3, text: 'b' },
      { number: 4, text: 'é' },
      { number: 5, wrong: 'not-utf8' },
    ]);
  });

  it('are all there when they are taken late', () => {
    const lines = new Lines(100);
    lines.push(Buffer.from('a\nb'));
    lines.push(Buffer.from('c\nd\n'));
    expect(lines.isEmpty).toBe(false);
    lines.push(Buffer.from('e'));
    lines.end();
    expect([lines.next(), lines.next(), lines.next(), lines.next(), lines.next()]).toEqual([
      { number: 1, text: 'a' },
      { number: 2, text: 'bc' },
      { number: 3, text: 'd' },
      { number: 4, text: 'e' },
      undefined,
    ]);
    expect(lines.count).toBe(4);
  });
});
