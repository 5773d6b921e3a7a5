import { describe, expect, it } from 'vitest';
import { pictureFormat, typeOf } from '../../../src/media/signatures.ts';

const bytes = (text: string) => Buffer.from(text, 'latin1');
const ftyp = (...brands: string[]) =>
  Buffer.concat([
    bytes(`\x00\x00\x00${String.fromCharCode(12 + brands.length * 4)}ftyp${brands[0]}\x00\x00\x00\x00`),
    bytes(brands.slice(1).join('')),
  ]);

describe('the type of a file by its first bytes', () => {
  it.each([
    ['image/jpeg', bytes('\xff\xd8\xff\xe0\x00\x10JFIF')],
    ['image/png', bytes('\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR')],
    ['image/webp', bytes('RIFF\x24\x00\x00\x00WEBPVP8 ')],
    ['image/avif', ftyp('avif', 'mif1', 'miaf')],
    ['image/avif', ftyp('mif1', 'avif', 'miaf')],
    ['audio/wav', bytes('RIFF\x24\x00\x00\x00WAVEfmt ')],
    ['audio/ogg', bytes('OggS\x00\x02')],
    ['audio/flac', bytes('fLaC\x00\x00\x00\x22')],
    ['audio/mpeg', bytes('ID3\x04\x00\x00')],
    ['audio/mpeg', bytes('\xff\xfb\x90\x64')],
    ['audio/mpeg', bytes('\xff\xf3\x40\xc0')],
    ['audio/aac', bytes('\xff\xf1\x50\x80')],
    ['audio/mp4', ftyp('M4A ', 'isom')],
    ['video/mp4', ftyp('isom', 'iso2', 'mp41')],
    ['video/webm', bytes('\x1a\x45\xdf\xa3\x9f\x42\x86')],
  ])('is %s', (type, head) => {
    expect(typeOf(head)).toBe(type);
  });

  it.each([
    ['nothing', bytes('')],
    ['one byte', bytes('\xff')],
    ['text', bytes('hello')],
    ['GIF', bytes('GIF89a\x01\x00\x01\x00')],
    ['TIFF', bytes('II*\x00\x08\x00\x00\x00')],
    ['SVG', bytes('<svg xmlns="http://www.w3.org/2000/svg">')],
    ['PDF', bytes('%PDF-1.7')],
    ['HTML that looks like more further on', bytes('<!-- \xff\xd8\xff -->')],
    ['RIFF of another kind', bytes('RIFF\x24\x00\x00\x00AVI LIST')],
    ['HEIC', ftyp('heic', 'mif1', 'heic')],
    ['an AVIF sequence', ftyp('avis', 'avif', 'mif1')],
    ['a playlist', bytes('#EXTM3U\nfile:///etc/passwd')],
    ['set bits of a reserved version', bytes('\xff\xeb\x90\x64')],
    ['ftyp with a length that lies', bytes('\x00\x00\x00\x00ftypavif')],
  ])('is unknown for %s', (_what, head) => {
    expect(typeOf(head)).toBe('application/octet-stream');
  });

  it('is a picture family for four types alone', () => {
    const types = ['image/jpeg', 'image/png', 'image/webp', 'image/avif', 'image/gif', 'audio/mpeg', 'image/'];
    expect(types.map(pictureFormat)).toEqual(['jpeg', 'png', 'webp', 'avif', undefined, undefined, undefined]);
  });
});
