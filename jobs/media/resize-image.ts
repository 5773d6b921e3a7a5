/** Make the named variants of a picture, and what a page needs before they have loaded: size, colour, blurhash. */

import { z } from 'zod';
import { AppError } from '../../src/errors.ts';
import { pictureFormat } from '../../src/media/signatures.ts';
import { formatsFor, VARIANT_NAMES, VARIANTS } from '../../src/media/variants.ts';
import { defineJob } from '../../src/queue/job.ts';

const fileId = z.string().regex(/^[0-9a-f]{64}$/, 'must be the id of a file: 64 characters of 0–9 and a–f');
const format = z.enum(['jpeg', 'png', 'webp', 'avif']);
const variant = z.enum(VARIANT_NAMES);
const pixels = z.int().min(1);

export default defineJob({
  name: 'media.resize-image',
  about: 'Make smaller variants of a picture: an upload (fileId) or one that is fetched (url).',
  payload: z
    .strictObject({
      fileId: fileId.optional(),
      url: z.string().min(1).max(2048).optional(),
      variants: z
        .array(variant)
        .min(1)
        .max(VARIANT_NAMES.length)
        .default([...VARIANT_NAMES]),
      fit: z.enum(['cover', 'inside']).optional(),
    })
    .refine(
      ({ fileId, url }) => (fileId === undefined) !== (url === undefined),
      'must have a fileId or a url, not both',
    ),
  result: z.object({
    fileId,
    format,
    width: pixels,
    height: pixels,
    bytes: pixels,
    colour: z.string(),
    blurhash: z.string(),
    variants: z.array(z.object({ variant, format, fileId, width: pixels, height: pixels, bytes: pixels })),
  }),
  example: { fileId: '0'.repeat(64), variants: ['thumb', 'large'] },
  timeoutMs: 300_000,
  isolated: true,

  async run({ fileId, url, variants, fit }, { media, fetcher, images, progress, job: { tenant }, signal }) {
    const id = fileId ?? (await fetched(url ?? ''));
    const { content, ...original } = await media.read(tenant, id, signal);
    const family = pictureFormat(original.type);
    if (family === undefined) {
      throw new AppError('media-unsupported', 'The file does not begin like a JPEG, PNG, WebP or AVIF picture.');
    }
    const { render, ...picture } = await images.open(content);
    const { width, height } = picture;
    await media.measure(tenant, id, { width, height });

    const wanted = VARIANT_NAMES.filter((name) => variants.includes(name)).flatMap((name) =>
      formatsFor(family).map((format) => ({ variant: name, format })),
    );
    const made = [];
    for (const { variant, format } of wanted) {
      signal.throwIfAborted();
      const box = VARIANTS[variant];
      const { content, ...size } = await render({ ...box, fit: fit ?? box.fit, format });
      const { file } = await media.add(tenant, [content], { origin: 'made', ...size, signal });
      made.push({ variant, format, fileId: file.id, ...size, bytes: file.bytes });
      await progress({ percent: Math.round((made.length / wanted.length) * 100), variant, format });
    }
    return { fileId: id, format: family, bytes: original.bytes, ...picture, variants: made };

    async function fetched(from: string): Promise<string> {
      const source = fetcher.fetch(from, { maxBytes: media.maxBytes, signal });
      const { file } = await media.add(tenant, source, { origin: 'url', signal });
      return file.id;
    }
  },
});
