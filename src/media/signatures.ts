/**
 * What a file is, by its first bytes: names and declared types are what somebody says, these are what is there.
 *
 * Pure. Knows the pictures and sounds that jobs work on; anything else is `application/octet-stream`. That a signature
 * fits does not make the rest sound: decoders find that out.
 */

/** Bytes from the start that `typeOf` wants to see. */
export const SIGNATURE_BYTES = 64;

/** The type of a file that nobody here works on. */
export const UNKNOWN_TYPE = 'application/octet-stream';

/** Families of pictures that `media.resize-image` takes. */
const PICTURE_FORMATS = ['jpeg', 'png', 'webp', 'avif'] as const;
export type PictureFormat = (typeof PICTURE_FORMATS)[number];

/** Fixed bytes at fixed places, first match wins. */
const SIGNATURES: readonly (readonly [type: string, ...parts: (readonly [at: number, bytes: string])[]])[] = [
  ['image/jpeg', [0, '\xff\xd8\xff']],
  ['image/png', [0, '\x89PNG\r\n\x1a\n']],
  ['image/webp', [0, 'RIFF'], [8, 'WEBP']],
  ['audio/wav', [0, 'RIFF'], [8, 'WAVE']],
  ['audio/ogg', [0, 'OggS']],
  ['audio/flac', [0, 'fLaC']],
  ['audio/mpeg', [0, 'ID3']],
  ['video/webm', [0, '\x1a\x45\xdf\xa3']],
];

/** The media type that the first bytes of a file say it has. */
export function typeOf(head: Uint8Array): string {
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, SIGNATURE_BYTES)).toString('latin1');
  const found = SIGNATURES.find(([, ...parts]) => parts.every(([at, bytes]) => text.startsWith(bytes, at)));
  return found?.[0] ?? containerType(text) ?? mpegType(head) ?? UNKNOWN_TYPE;
}

/** The family of a picture that we can work on; undefined for any other file. */
export function pictureFormat(type: string): PictureFormat | undefined {
  return PICTURE_FORMATS.find((format) => type === `image/${format}`);
}

/** ISO base media files: a length, `ftyp`, the major brand, a version, and the brands it is compatible with. */
function containerType(text: string): string | undefined {
  if (!text.startsWith('ftyp', 4)) return undefined;
  const length = (text.charCodeAt(2) << 8) | text.charCodeAt(3);
  const brands: readonly string[] = text.slice(8, Math.min(length, SIGNATURE_BYTES)).match(/.{4}/gs) ?? [];
  const major = brands[0];
  // `avis` is a sequence of pictures, which nobody here works on.
  if (major === 'avis') return undefined;
  if (major === 'mif1' || major === 'miaf' ? brands.includes('avif') : major === 'avif') return 'image/avif';
  if (major === 'M4A ' || major === 'M4B ') return 'audio/mp4';
  return /^(isom|iso\d|mp4\d|M4V |dash|qt {2}|3gp.)$/.test(major ?? '') ? 'video/mp4' : undefined;
}

/** MPEG audio without a tag starts with eleven set bits; its layer tells MP3 from AAC. */
function mpegType([first = 0, second = 0]: Uint8Array): string | undefined {
  if (first !== 0xff || (second & 0xe0) !== 0xe0) return undefined;
  const layer = (second >> 1) & 3;
  if (layer === 0) return (second & 0xf6) === 0xf0 ? 'audio/aac' : undefined;
  // Version 1 is reserved.
  return ((second >> 3) & 3) === 1 ? undefined : 'audio/mpeg';
}
