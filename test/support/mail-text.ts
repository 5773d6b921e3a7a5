/** What a mail says, read from its bytes as a mail reader would: header lines unfolded, parts decoded. */

export interface ReadMail {
  /** Values by lower-case name, in order. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
  /** Decoded bodies by media type. */
  readonly parts: ReadonlyMap<string, string>;
}

/** Read a mail. */
export function readMail(raw: string): ReadMail {
  const { headers, body } = split(raw);
  return { headers, parts: new Map(partsOf(headers, body)) };
}

/** The one value of a header. Throws when there is none, or more than one. */
export function headerOf({ headers }: ReadMail, name: string): string {
  const values = headers.get(name.toLowerCase()) ?? [];
  if (values.length === 1) return values[0] ?? '';
  throw new Error(`${name} is there ${values.length} times`);
}

function split(raw: string) {
  const at = raw.indexOf('\r\n\r\n');
  const headers = new Map<string, string[]>();
  for (const line of raw
    .slice(0, at)
    .replaceAll(/\r\n[ \t]+/g, ' ')
    .split('\r\n')) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    headers.set(name, [...(headers.get(name) ?? []), decodeWords(line.slice(colon + 1).trim())]);
  }
  return { headers, body: raw.slice(at + 4) };
}

function partsOf(headers: ReadonlyMap<string, readonly string[]>, body: string): [string, string][] {
  const type = headers.get('content-type')?.[0] ?? 'text/plain';
  const boundary = /boundary="?([^";]+)"?/.exec(type)?.[1];
  if (boundary === undefined) {
    return [[type.split(';')[0] ?? '', decode(body, headers.get('content-transfer-encoding')?.[0])]];
  }
  const pieces = body.split(`--${boundary}`).slice(1, -1);
  return pieces.flatMap((piece) => {
    const part = split(piece.replace(/^\r\n/, ''));
    return partsOf(part.headers, part.body);
  });
}

function decode(body: string, encoding = '7bit'): string {
  if (encoding === 'base64') return Buffer.from(body, 'base64').toString();
  if (encoding !== 'quoted-printable') return body;
  return fromHex(body.replaceAll(/=\r\n/g, ''), '=');
}

function fromHex(text: string, sign: string): string {
  const bytes = text.replaceAll(new RegExp(`${sign}([0-9A-F]{2})`, 'g'), (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(bytes, 'latin1').toString();
}

/** RFC 2047. */
function decodeWords(text: string): string {
  return text
    .replaceAll(/\?=\s+=\?/g, '?==?')
    .replaceAll(/=\?utf-8\?([BQ])\?([^?]*)\?=/gi, (_all, kind: string, word: string) =>
      kind.toUpperCase() === 'B' ? Buffer.from(word, 'base64').toString() : fromHex(word.replaceAll('_', ' '), '='),
    );
}
