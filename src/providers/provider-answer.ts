/** Answers of somebody else's service, read with care: never more of a body than was asked for. */

export interface Beginning {
  readonly text: string;
  /** Was that all of it? */
  readonly whole: boolean;
}

/** The first `most` bytes of a body as text; the rest is not read. */
export async function beginningOf({ body }: Response, most: number): Promise<Beginning> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  // Leaving the loop cancels the body, and with it the connection.
  for await (const piece of body ?? []) {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes > most) break;
  }
  return { text: Buffer.concat(pieces).toString('utf8', 0, Math.min(bytes, most)), whole: bytes <= most };
}
