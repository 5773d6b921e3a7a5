/**
 * The sizes and formats that a picture is made in. Pure: `docs/media.md` shows the same table.
 *
 * A variant is never larger than its original.
 */

import type { PictureFormat } from './signatures.ts';

/** How a picture meets its box: cut to fill it, or whole inside it. */
export type Fit = 'cover' | 'inside';

export interface VariantRow {
  /** Pixels of the box. */
  readonly width: number;
  readonly height: number;
  /** Unless the job says otherwise. */
  readonly fit: Fit;
}

export const VARIANTS = {
  thumb: { width: 160, height: 160, fit: 'cover' },
  small: { width: 480, height: 480, fit: 'inside' },
  medium: { width: 960, height: 960, fit: 'inside' },
  large: { width: 1920, height: 1920, fit: 'inside' },
} as const satisfies Record<string, VariantRow>;

export type VariantName = keyof typeof VARIANTS;
export const VARIANT_NAMES = ['thumb', 'small', 'medium', 'large'] as const satisfies readonly VariantName[];

/** The formats of each variant: the original's family, and the two small ones. */
export function formatsFor(original: PictureFormat): readonly PictureFormat[] {
  return [...new Set<PictureFormat>([original, 'webp', 'avif'])];
}
