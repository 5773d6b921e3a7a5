/** Files: POST and GET /v1/media for whoever has a key, and GET /media/… for whoever has a signed link. */

import { z } from 'zod';
import { AppError } from '../../errors.ts';
import type { MediaFile, MediaFiles } from '../../media/files.ts';
import type { MediaLinks } from '../../media/links.ts';
import { UNKNOWN_TYPE } from '../../media/signatures.ts';
import { partOf } from '../range.ts';
import { defineRoute, defineUploadRoute, type RouteAnswer, type RouteRequest, type Row } from '../route.ts';

const linkQuery = z.strictObject({
  expires: z
    .string()
    .regex(/^\d{1,12}$/)
    .transform(Number),
  signature: z.string().regex(/^[\w-]{43}$/),
});
const linkParams = z.strictObject({ tenant: z.string(), id: z.string() });

/** What a browser may show by itself; it saves anything else. Never HTML, SVG or PDF. */
const SHOWN = /^(image|audio|video)\//;

export interface MediaRoutesOptions {
  readonly media: MediaFiles;
  readonly links: MediaLinks;
}

export function mediaRoutes({ media, links }: MediaRoutesOptions): Row[] {
  const facts = async (tenant: string, { createdAt, ...file }: MediaFile) => {
    const { link, expiresAt } = await links.make(tenant, file.id);
    return { ...file, sha256: file.id, createdAt, link, linkExpiresAt: expiresAt };
  };
  return [
    defineUploadRoute({
      method: 'POST',
      path: '/v1/media',
      access: 'caller',
      about: 'Upload a file: the bytes as they are, as the whole body.',
      maxBytes: media.maxBytes,
      receive: async (source, { tenant, signal }) => {
        const { file, known } = await media.add(tenant, source, { origin: 'upload', signal });
        const body = await facts(tenant, file);
        return { status: known ? 200 : 201, body, headers: { Location: `/v1/media/${file.id}` } };
      },
    }),
    defineRoute({
      method: 'GET',
      path: '/v1/media/:id',
      access: 'caller',
      about: 'What is known of a file, and a link that opens it for a while.',
      handle: async ({ tenant, params }) => ({ body: await facts(tenant, await media.find(tenant, params.id)) }),
    }),
    defineRoute({
      method: 'GET',
      path: '/media/:tenant/:id',
      access: 'open',
      about: 'The bytes of a file, by a signed link.',
      params: linkParams,
      query: linkQuery,
      handle: async ({ params, query, header, signal }) => {
        const left = await links.check({ ...params, ...query });
        return contentOf(await media.find(params.tenant, params.id), left, header, (part) =>
          media.open(params.tenant, params.id, part, signal),
        );
      },
    }),
  ];
}

type Open = (part: { start: number; end: number } | undefined) => ReturnType<MediaFiles['open']>;

/** The whole file, a part of it, or that the caller has it already. */
async function contentOf(
  file: MediaFile,
  left: number,
  header: RouteRequest['header'],
  open: Open,
): Promise<RouteAnswer> {
  const tag = `"${file.id}"`;
  const headers = {
    ETag: tag,
    'Accept-Ranges': 'bytes',
    // The bytes of an id never change; the link ends.
    'Cache-Control': `private, max-age=${left}, immutable`,
  };
  if (namesTag(header('if-none-match'), tag)) return { status: 304, headers };
  const ifRange = header('if-range');
  const part = ifRange === undefined || ifRange === tag ? partOf(header('range'), file.bytes) : 'all';
  if (part === 'none') {
    throw new AppError('range-not-satisfiable', `The file has ${file.bytes} bytes.`, {
      headers: { 'Content-Range': `bytes */${file.bytes}` },
    });
  }
  const { stream } = await open(part === 'all' ? undefined : part);
  const bytes = part === 'all' ? file.bytes : part.end - part.start + 1;
  return {
    status: part === 'all' ? 200 : 206,
    content: { stream, bytes },
    headers: {
      ...headers,
      ...(part !== 'all' && { 'Content-Range': `bytes ${part.start}-${part.end}/${file.bytes}` }),
      'Content-Type': file.type,
      'Content-Disposition': `${SHOWN.test(file.type) ? 'inline' : 'attachment'}; filename="${nameOf(file)}"`,
      'Content-Security-Policy': "default-src 'none'; sandbox",
      // Whoever has the link may show the picture on a page of theirs.
      'Cross-Origin-Resource-Policy': 'cross-origin',
    },
  };
}

function namesTag(header: string | undefined, tag: string): boolean {
  return (
    header !== undefined &&
    (header.trim() === '*' || header.split(',').some((one) => one.trim().replace(/^W\//, '') === tag))
  );
}

function nameOf({ id, type }: MediaFile): string {
  const ending = type === UNKNOWN_TYPE ? 'bin' : (type.split('/')[1] ?? 'bin');
  return `${id.slice(0, 12)}.${ending === 'mpeg' ? 'mp3' : ending}`;
}
