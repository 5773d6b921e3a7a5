/** The outline of a recording, for drawing. Pure. */

/** Values of an outline: enough for a drawing as wide as a screen. */
export const PEAKS = 800;

/** Gathers the loudest sample of each of at most `PEAKS` equal stretches, as 0–1 with three digits. */
export class Waveform {
  readonly #samples: number;
  readonly #peaks: number[];
  #index = 0;
  #half: number | undefined;

  /** `samples`: how many there will be. */
  constructor(samples: number) {
    this.#samples = samples;
    this.#peaks = new Array<number>(Math.min(PEAKS, samples)).fill(0);
  }

  /** Add samples of 16 bits, little end first; a chunk may end in the middle of one. */
  add(chunk: Uint8Array): void {
    for (const byte of chunk) {
      if (this.#half === undefined) {
        this.#half = byte;
        continue;
      }
      const value = this.#half | (byte << 8);
      this.#half = undefined;
      const loudness = Math.abs(value >= 0x8000 ? value - 0x10000 : value) / 0x8000;
      const place = Math.floor((this.#index * this.#peaks.length) / this.#samples);
      if (loudness > (this.#peaks[place] ?? 1)) this.#peaks[place] = loudness;
      this.#index += 1;
    }
  }

  /** What was gathered. */
  get peaks(): number[] {
    return this.#peaks.map((peak) => Math.round(peak * 1000) / 1000);
  }
}
