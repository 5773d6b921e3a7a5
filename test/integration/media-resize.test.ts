/** media.resize-image from upload to variants on a real worker, its refusals, and what damaged pictures do. */

import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import resizeImage from '../../jobs/media/resize-image.ts';
import { isAppError } from '../../src/errors.ts';
import { Fetcher } from '../../src/providers/fetcher.ts';
import { Images } from '../../src/providers/images.ts';
import type { JobContext } from '../../src/queue/job.ts';
import { animation, picture, sideways } from '../support/pictures.ts';
import { type Probe, startProbe } from '../support/probe-worker.ts';
import { createWorld, type World } from '../support/world.ts';

const SLOW_MS = 120_000;

let world: World;
let probe: Probe;

beforeAll(async () => {
  world = await createWorld();
  // In this process, so that the machinery is the test's own; test/chaos/media.test.ts runs it isolated.
  probe = await startProbe(world, [{ ...resizeImage, isolated: false }]);
});

afterAll(async () => {
  await probe.stop();
  await world.close();
});

const keep = async (content: Buffer, tenant = 'default') =>
  (await probe.services.media.add(tenant, [content], { origin: 'upload' })).file.id;

const resize = async (payload: object) => {
  const { id } = await probe.services.producer.enqueue({ tenant: 'default', job: 'media.resize-image', payload });
  return probe.until(id, undefined, 60_000);
};

const resultOf = resizeImage.result.parse.bind(resizeImage.result) as (value: unknown) => {
  fileId: string;
  format: string;
  width: number;
  height: number;
  colour: string;
  blurhash: string;
  variants: { variant: string; format: string; fileId: string; width: number; height: number; bytes: number }[];
};

describe('media.resize-image', () => {
  it(
    'makes every variant of an upload in three formats, with what a placeholder needs',
    async () => {
      const fileId = await keep(await picture({ width: 2400, height: 1200, format: 'jpeg' }));
      const view = await resize({ fileId });
      const result = resultOf(view.result);
      expect(result).toMatchObject({ fileId, format: 'jpeg', width: 2400, height: 1200 });
      expect(result.colour).toMatch(/^#[0-9a-f]{6}$/);
      expect(result.blurhash.length).toBeGreaterThan(20);
      expect(
        result.variants.map(({ variant, format, width, height }) => `${variant} ${format} ${width}x${height}`),
      ).toEqual(
        ['thumb 160x160', 'small 480x240', 'medium 960x480', 'large 1920x960'].flatMap((row) => {
          const [name = '', size = ''] = row.split(' ');
          return ['jpeg', 'webp', 'avif'].map((format) => `${name} ${format} ${size}`);
        }),
      );
      for (const { fileId: id, format, width, height, bytes } of result.variants) {
        const { content, ...file } = await probe.services.media.read('default', id);
        expect(file).toMatchObject({ type: `image/${format}`, width, height, bytes, origin: 'made' });
        expect(await sharp(content).metadata()).toMatchObject({ width, height });
      }
      expect(await probe.services.media.find('default', fileId)).toMatchObject({ width: 2400, height: 1200 });
      expect(view.progress).toMatchObject({ percent: 100, variant: 'large', format: 'avif' });
    },
    SLOW_MS,
  );

  it.each([
    ['png', ['png', 'webp', 'avif']],
    ['webp', ['webp', 'avif']],
    ['avif', ['avif', 'webp']],
  ] as const)(
    'makes the small formats beside the family of a %s, never larger than it was',
    async (format, formats) => {
      const fileId = await keep(await picture({ width: 300, height: 90, format }));
      const { variants } = resultOf((await resize({ fileId, variants: ['small', 'thumb'] })).result);
      expect(variants.map(({ variant, format, width, height }) => [variant, format, width, height])).toEqual([
        ...formats.map((one) => ['thumb', one, 90, 90]),
        ...formats.map((one) => ['small', one, 300, 90]),
      ]);
    },
  );

  it('cuts or keeps as the job says', async () => {
    const fileId = await keep(await picture({ width: 1000, height: 500, format: 'png' }));
    const cut = resultOf((await resize({ fileId, variants: ['small'], fit: 'cover' })).result);
    const whole = resultOf((await resize({ fileId, variants: ['thumb'], fit: 'inside' })).result);
    expect([cut.variants[0], whole.variants[0]]).toMatchObject([
      { width: 480, height: 480 },
      { width: 160, height: 80 },
    ]);
  });

  it('stands a picture up and forgets who made it where', async () => {
    const fileId = await keep(await sideways(400, 200));
    const { variants, ...result } = resultOf((await resize({ fileId, variants: ['small'] })).result);
    expect(result).toMatchObject({ width: 200, height: 400 });
    for (const { fileId: id } of variants) {
      const { content } = await probe.services.media.read('default', id);
      const { exif, icc, orientation, width, height, space } = await sharp(content).metadata();
      expect({ exif, icc, orientation, width, height, space }).toEqual({ width: 200, height: 400, space: 'srgb' });
    }
  });

  it('makes the same files when it runs again', async () => {
    const fileId = await keep(await picture({ width: 500, height: 400, format: 'jpeg' }));
    const first = resultOf((await resize({ fileId, variants: ['thumb'] })).result);
    const second = resultOf((await resize({ fileId, variants: ['thumb'] })).result);
    expect(second).toEqual(first);
  });

  it('brings a picture from a URL first', async () => {
    const content = await picture({ width: 200, height: 100, format: 'png' });
    const { media, images } = probe.services;
    const fetcher = new Fetcher({ allowHttp: false, ports: [443] });
    fetcher.fetch = async function* () {
      yield content;
    };
    const told: unknown[] = [];
    const context = {
      media,
      images,
      fetcher,
      signal: new AbortController().signal,
      job: { tenant: 'acme' },
      progress: async (value: unknown) => void told.push(value),
    } as unknown as JobContext;
    const payload = resizeImage.payload.parse({ url: 'https://there.test/x.png', variants: ['thumb'] });
    const result = resultOf(await resizeImage.run(payload, context));
    expect(await media.find('acme', result.fileId)).toMatchObject({ origin: 'url', width: 200, height: 100 });
    expect(told).toHaveLength(3);
  });

  it.each([
    ['text', async () => Buffer.from('hello'), 'media-unsupported'],
    ['noise', async () => randomBytes(5000), 'media-unsupported'],
    ['a GIF', () => picture({ width: 9, height: 9, format: 'gif' }), 'media-unsupported'],
    ['a TIFF', () => picture({ width: 9, height: 9, format: 'tiff' }), 'media-unsupported'],
    [
      'an SVG',
      async () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'),
      'media-unsupported',
    ],
    ['an SVG that says it is a PNG', async () => Buffer.from('\x89PNG\r\n\x1a\n<svg/>', 'latin1'), 'media-damaged'],
    ['a JPEG of three bytes', async () => Buffer.from([0xff, 0xd8, 0xff]), 'media-damaged'],
    [
      'noise behind the start of a WebP',
      async () => Buffer.concat([Buffer.from('RIFF\x24\x00\x00\x00WEBPVP8 ', 'latin1'), randomBytes(999)]),
      'media-damaged',
    ],
    [
      'half a JPEG',
      async () => (await picture({ width: 800, height: 600, format: 'jpeg' })).subarray(0, 30_000),
      'media-damaged',
    ],
    [
      'half a PNG',
      async () => (await picture({ width: 300, height: 300, format: 'png' })).subarray(0, 900),
      'media-damaged',
    ],
    ['an animation', () => animation(5), 'media-unsupported'],
    ['25 megapixels', () => picture({ width: 5000, height: 5001, format: 'png' }), 'media-too-large'],
    ['a PNG that claims 900 megapixels', () => claiming(30_000, 30_000), 'media-too-large'],
    ['a PNG that claims more than there can be', () => claiming(0x7fffffff, 0x7fffffff), 'media-damaged'],
  ])('ends %s at once with a clear code', async (_what, make, code) => {
    const view = await resize({ fileId: await keep(await make()) });
    expect(view).toMatchObject({ state: 'dead', attempts: { made: 1 }, error: { code } });
  });

  it.each([
    [{ fileId: '0'.repeat(64) }, 'media-not-found'],
    [{ url: 'https://169.254.169.254/latest/meta-data/' }, 'url-refused'],
    [{ url: 'http://example.com/x.png' }, 'url-refused'],
  ])('ends %j at once', async (payload, code) => {
    expect(await resize(payload)).toMatchObject({ state: 'dead', attempts: { made: 1 }, error: { code } });
  });

  it('does not find the file of another tenant', async () => {
    const fileId = await keep(await picture({ width: 20, height: 20, format: 'png' }), 'globex');
    expect(await resize({ fileId })).toMatchObject({ state: 'dead', error: { code: 'media-not-found' } });
  });

  it.each([
    {},
    { fileId: '0'.repeat(64), url: 'https://example.com/' },
    { fileId: '../../etc/passwd' },
    { fileId: '0'.repeat(64), variants: [] },
    { fileId: '0'.repeat(64), variants: ['huge'] },
    { fileId: '0'.repeat(64), more: true },
  ])('does not take the payload %j', async (payload) => {
    await expect(resize(payload)).rejects.toMatchObject({ code: 'invalid-input' });
  });
});

describe('a picture that was cut off or changed anywhere', () => {
  const images = new Images();

  it.each(['jpeg', 'png', 'webp', 'avif'] as const)(
    'works, or fails with a code for media: %s',
    async (format) => {
      const whole = await picture({ width: 60, height: 40, format });
      const damage = fc.oneof(
        fc.record({ kind: fc.constant('cut' as const), at: fc.nat(whole.length - 1), byte: fc.constant(0) }),
        fc.record({ kind: fc.constant('flip' as const), at: fc.nat(whole.length - 1), byte: fc.nat(255) }),
      );
      await fc.assert(
        fc.asyncProperty(damage, async ({ kind, at, byte }) => {
          const content = kind === 'cut' ? whole.subarray(0, at) : Buffer.from(whole);
          if (kind === 'flip') content[at] = byte;
          try {
            const { width, height } = await images.open(content);
            expect(width * height).toBeGreaterThan(0);
          } catch (error) {
            if (!isAppError(error)) throw error;
            expect(['media-damaged', 'media-unsupported', 'media-too-large']).toContain(error.code);
          }
        }),
        { numRuns: 150 },
      );
    },
    SLOW_MS,
  );
});

/** A PNG whose header names a size, with a checksum that fits. */
async function claiming(width: number, height: number): Promise<Buffer> {
  const { crc32 } = await import('node:zlib');
  const content = Buffer.from(await picture({ width: 8, height: 8, format: 'png' }));
  content.writeUInt32BE(width, 16);
  content.writeUInt32BE(height, 20);
  content.writeUInt32BE(crc32(content.subarray(12, 29)), 29);
  return content;
}
