/**
 * Pictures: reading what strangers send, and making smaller ones. The only file that knows sharp.
 *
 * Promises: sharp is loaded by whoever first works on a picture. Only JPEG, PNG, WebP and AVIF decoders are open; at
 * most 24 megapixels, one picture a file; every step has a time limit. What is made is upright, sRGB and without
 * metadata. A picture that cannot be read is `media-damaged`, `media-unsupported` or `media-too-large`, never a crash
 * of the job's own making. No store is involved.
 */

import type { Sharp } from 'sharp';
import { AppError, isAppError, messageOf } from '../errors.ts';

/** The most pixels that a picture may have. */
export const MOST_PIXELS = 24_000_000;
/** The longest side of what is worked on: nothing larger is ever made. */
const LONGEST_SIDE = 1920;
/** Seconds for one step. */
const STEP_SECONDS = 60;
/** A blurhash says no more than this many pixels do. */
const HASH_SIDE = 32;
const HASH_COMPONENTS = [4, 3] as const;

const FORMATS = new Set(['jpeg', 'png', 'webp', 'heif']);
const DECODERS = ['Jpeg', 'Png', 'Webp', 'Heif'].map((name) => `VipsForeignLoad${name}Buffer`);

export interface Rendering {
  readonly width: number;
  readonly height: number;
  readonly fit: 'cover' | 'inside';
  readonly format: 'jpeg' | 'png' | 'webp' | 'avif';
}

export interface Rendered {
  readonly content: Buffer;
  readonly width: number;
  readonly height: number;
}

/** A picture that was decoded once, upright and in sRGB. */
export interface Picture {
  /** Of the original, upright. */
  readonly width: number;
  readonly height: number;
  /** The colour that most of it has: `#rrggbb`. */
  readonly colour: string;
  /** A placeholder of about thirty characters: https://blurha.sh. */
  readonly blurhash: string;
  render(rendering: Rendering): Promise<Rendered>;
}

interface Raw {
  readonly data: Buffer;
  readonly raw: { readonly width: number; readonly height: number; readonly channels: 1 | 2 | 3 | 4 };
}

type SharpModule = typeof import('sharp').default;

export class Images {
  #loading: Promise<SharpModule> | undefined;

  /** Decode a picture. `content` is one whole file. Throws the codes above. */
  async open(content: Buffer): Promise<Picture> {
    const sharp = await this.#sharp();
    return naming(async () => {
      const size = await uprightSize(sharp, content);
      const { data, info } = await decoder(sharp, content)
        .autoOrient()
        .resize({ width: LONGEST_SIDE, height: LONGEST_SIDE, fit: 'inside', withoutEnlargement: true })
        .toColourspace('srgb')
        .raw({ depth: 'uchar' })
        .timeout({ seconds: STEP_SECONDS })
        .toBuffer({ resolveWithObject: true });
      const raw = { data, raw: { width: info.width, height: info.height, channels: info.channels } };
      return {
        ...size,
        colour: await dominantColour(sharp, raw),
        blurhash: await blurhash(sharp, raw),
        render: (rendering) => render(sharp, raw, rendering),
      };
    });
  }

  /** One decoder at a time and no cache: jobs run side by side, and strangers' pictures do not come twice. */
  #sharp(): Promise<SharpModule> {
    this.#loading ??= import('sharp').then(({ default: sharp }) => {
      sharp.concurrency(1);
      sharp.cache(false);
      sharp.block({ operation: ['VipsForeignLoad'] });
      sharp.unblock({ operation: DECODERS });
      return sharp;
    });
    return this.#loading;
  }
}

function decoder(sharp: SharpModule, content: Buffer): Sharp {
  return sharp(content, { limitInputPixels: MOST_PIXELS, failOn: 'error', sequentialRead: true });
}

/** Looks at the header only: what is refused here was never decoded. */
async function uprightSize(sharp: SharpModule, content: Buffer): Promise<{ width: number; height: number }> {
  const facts = await sharp(content, { limitInputPixels: false, failOn: 'error' }).metadata();
  const { format = 'unknown', compression, pages = 1, autoOrient } = facts;
  if (!FORMATS.has(format) || (format === 'heif' && compression !== 'av1')) {
    throw new AppError('media-unsupported', `The file is ${format}; a picture must be JPEG, PNG, WebP or AVIF.`);
  }
  if (pages > 1) throw new AppError('media-unsupported', `The file holds ${pages} pictures; one is worked on.`);
  const { width, height } = autoOrient;
  if (width * height > MOST_PIXELS) {
    throw new AppError('media-too-large', `The picture has ${width} × ${height} pixels; the limit is 24 megapixels.`);
  }
  return { width, height };
}

async function render(sharp: SharpModule, { data, raw }: Raw, rendering: Rendering): Promise<Rendered> {
  const { width, height, fit, format } = rendering;
  const resized = sharp(data, { raw }).resize(boxFor(raw, { width, height, fit }));
  const { data: content, info } = await encoded(resized, format)
    .timeout({ seconds: STEP_SECONDS })
    .toBuffer({ resolveWithObject: true });
  return { content, width: info.width, height: info.height };
}

/** A picture smaller than its box is not blown up; cut to fill, it keeps the box's shape. */
function boxFor(raw: Raw['raw'], { width, height, fit }: Pick<Rendering, 'width' | 'height' | 'fit'>) {
  if (fit === 'inside') return { width, height, fit, withoutEnlargement: true };
  const scale = Math.min(1, raw.width / width, raw.height / height);
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)), fit };
}

function encoded(image: Sharp, format: Rendering['format']): Sharp {
  switch (format) {
    case 'jpeg':
      return image.jpeg({ quality: 80, mozjpeg: true });
    case 'png':
      return image.png({ compressionLevel: 9 });
    case 'webp':
      return image.webp({ quality: 78 });
    case 'avif':
      return image.avif({ quality: 55, effort: 3 });
  }
}

async function dominantColour(sharp: SharpModule, { data, raw }: Raw): Promise<string> {
  const { dominant } = await sharp(data, { raw }).flatten({ background: '#ffffff' }).toColourspace('srgb').stats();
  return `#${[dominant.r, dominant.g, dominant.b].map((part) => part.toString(16).padStart(2, '0')).join('')}`;
}

async function blurhash(sharp: SharpModule, { data, raw }: Raw): Promise<string> {
  const { encode } = await import('blurhash');
  const { data: small, info } = await sharp(data, { raw })
    .resize({ width: HASH_SIDE, height: HASH_SIDE, fit: 'inside' })
    .flatten({ background: '#ffffff' })
    .toColourspace('srgb')
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return encode(new Uint8ClampedArray(small), info.width, info.height, ...HASH_COMPONENTS);
}

/** What libvips says of a stranger's picture, as a code of ours. */
async function naming<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isAppError(error) || error instanceof TypeError) throw error;
    const said = messageOf(error);
    if (/pixel limit|exceeds the maximum|too large|dimensions exceed/i.test(said)) {
      throw new AppError('media-too-large', 'The picture has more pixels than the limit.', { cause: error });
    }
    if (/^timeout/.test(said)) {
      throw new AppError('attempt-timed-out', `A step took longer than ${STEP_SECONDS} s.`, { cause: error });
    }
    if (/unsupported image format|operation is blocked|no known loader/i.test(said)) {
      throw new AppError('media-unsupported', 'The file is no JPEG, PNG, WebP or AVIF picture.', { cause: error });
    }
    throw new AppError('media-damaged', 'The picture is cut off or damaged.', { cause: error });
  }
}
