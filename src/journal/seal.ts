/** Encrypting what lies on disk: AES-256-GCM, one random nonce for each record (NIST SP 800-38D). */

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { BootError } from '../lifecycle.ts';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export class Seal {
  readonly #key: Buffer;

  /** `key`: 32 bytes. */
  constructor(key: Buffer) {
    this.#key = key;
  }

  /** Nonce, ciphertext and tag. */
  close(plain: Buffer): Buffer {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce);
    return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  }

  /** The plain bytes. Throws a `BootError` when they were sealed with another key. */
  open(sealed: Buffer): Buffer {
    const end = sealed.length - TAG_BYTES;
    const decipher = createDecipheriv('aes-256-gcm', this.#key, sealed.subarray(0, NONCE_BYTES));
    decipher.setAuthTag(sealed.subarray(end));
    try {
      return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, end)), decipher.final()]);
    } catch (error) {
      throw new BootError('The journal was encrypted with another JOURNAL_KEY. Set the one it was written with.', {
        cause: error,
      });
    }
  }
}

/** The plain body of a record; what is not sealed comes back as it is. Throws `BootError` without the right key. */
export function unsealed(seal: Seal | undefined, sealed: boolean, body: Buffer): Buffer {
  if (!sealed) return body;
  if (seal !== undefined) return seal.open(body);
  throw new BootError('The journal is encrypted and JOURNAL_KEY is not set. Set the key it was written with.');
}
