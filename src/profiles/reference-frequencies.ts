/**
 * How often the commonest words are used in ordinary English: what a writer's own use is compared with.
 *
 * Promises: one number for each of `FREQUENT_WORDS`, in their order, all above 0. Source: the mean over 4,507 passages
 * of about 200 words of the Brown Corpus (Francis & Kučera 1979) and 400 mails of the SpamAssassin public corpus
 * (2002; ham only, quotations taken out), the two weighing the same; measured with `test/bench/reference.ts`.
 */

/** Uses per 10,000 words. */
const PER_10_000: readonly number[] = [
  577, 279, 243, 272, 238, 175, 147, 124, 71, 55.1, 91.6, 123, 72.7, 63.3, 39.2, 98.5, 65.8, 65.9, 128, 47.4, 41.6,
  35.6, 59.8, 37.4, 53.7, 50.5, 49.8, 48.8, 65.6, 38, 36.2, 63.8, 30.2, 30.3, 23.3, 35.3, 32.8, 16.6, 16.4, 30.4, 27.2,
  32.6, 23.5, 14.9, 20.3, 23.4, 22.3, 19.6, 25.1, 35.9, 33.8, 22.3, 20.7, 29.4, 20.5, 26.1, 34.9, 13.6, 22.9, 17.7,
  16.5, 19.1, 18.2, 18.2, 17.6, 19.9, 13.3, 12.5, 13.8, 11.2, 13.1, 16.8, 16.6, 20.8, 27.5, 12.9, 11, 9.87, 10.5, 15.7,
  12.1, 10.9, 7.17, 11.1, 13.2, 9.25, 6.63, 8.11, 10.5, 7.76, 8.64, 9.76, 10.5, 15.3, 12.9, 8.56, 12, 9.48, 7.63, 19.3,
  8.23, 11.8, 8.68, 6.81, 10.2, 8.52, 10.1, 9.36, 7.13, 18.9, 8.85, 8.54, 6.72, 6.44, 8.23, 5.33, 7.19, 9.33, 5.91,
  8.71, 6.43, 5.4, 7.3, 8.76, 7.29, 5.31, 7.53, 4.46, 7.56, 6.13, 8.74, 3.14, 7.14, 13.7, 3.78, 6.21, 4.84, 13.9, 4.68,
  4.16, 4.71, 6.77, 6.18, 4.1, 4.99, 3.61, 4.42, 3.5, 4.41, 7.3, 4.22, 6.81, 4.05, 11.2, 3.46, 4.72, 4.63, 4.04, 6.38,
  4.06, 5.15, 4.47, 4.14, 5.7, 2.94, 3.93, 1.97, 3.38, 4.01, 3.43, 2.06, 3.48, 2.45, 4.01, 4.4, 7.54, 2.37, 4.97, 2.11,
  2.83, 2.24, 4.65, 2, 5.54, 6.67, 4.4, 2.87, 3.01, 1.94, 3.02, 5.02, 3.08, 2.83, 2.8, 2.11, 5.03, 2.08, 1.56, 2.66,
  2.4,
];

/** Relative frequency (0–1) of each of `FREQUENT_WORDS` in ordinary English. */
export const REFERENCE_FREQUENCIES: readonly number[] = PER_10_000.map((count) => count / 10_000);
