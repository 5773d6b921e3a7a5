/** Pictures for tests, made when asked for: the same words make the same bytes. */

import sharp, { type Sharp } from 'sharp';

export interface PictureWish {
  readonly width: number;
  readonly height: number;
  readonly format: 'jpeg' | 'png' | 'webp' | 'avif' | 'gif' | 'tiff';
}

/** Noise with a colour in it, so that it does not compress to nothing. */
export function picture({ width, height, format }: PictureWish): Promise<Buffer> {
  return encoded(width, height).toFormat(format).toBuffer();
}

/** Several pictures in one WebP file, shown one after the other. */
export async function animation(pictures: number): Promise<Buffer> {
  const side = 32;
  const frames = await Promise.all(
    Array.from({ length: pictures }, (_none, place) =>
      sharp({ create: { width: side, height: side, channels: 3, background: { r: place * 40, g: 80, b: 10 } } })
        .png()
        .toBuffer(),
    ),
  );
  return sharp(frames, { join: { animated: true } })
    .webp()
    .toBuffer();
}

/** A camera held sideways: the pixels lie, the metadata says how to stand them up, and where it was. */
export function sideways(width: number, height: number): Promise<Buffer> {
  return encoded(width, height)
    .jpeg()
    .withExif({ IFD0: { Copyright: 'somebody', Make: 'a camera' } })
    .withMetadata({ orientation: 6 })
    .toBuffer();
}

function encoded(width: number, height: number): Sharp {
  const pixels = Buffer.alloc(width * height * 3);
  for (let at = 0; at < pixels.length; at += 3) {
    const place = at / 3;
    pixels[at] = 200 + ((place * 7) % 40);
    pixels[at + 1] = (place / width) % 90;
    pixels[at + 2] = (place % width) % 60;
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}
