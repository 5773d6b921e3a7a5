/**
 * How often the commonest words are used in ordinary English: what a writer's own use is compared with.
 *
 * Promises: one number for each of `FREQUENT_WORDS`, in their order, all above 0. Source: the mean over passages
 * of about 200 words of the Brown Corpus (Francis & Kučera 1979) and 400 mails of the SpamAssassin public corpus
 * (2002; ham only, quotations taken out), the two weighing the same; measured with `test/bench/reference.ts`.
 */

/** Uses per 10,000 words. */
const PER_10_000: readonly number[] = [
  578, 279, 244, 272, 238, 174, 148, 124, 70.9, 55.2, 91.8, 122, 73, 63, 39.2, 97.4, 65.9, 65.4, 128, 47.3, 41.9, 35.7,
  59.5, 37.3, 54.1, 50.3, 50.1, 48.6, 65.5, 38.1, 36.3, 63.2, 30, 30.6, 23.4, 35, 32.6, 16.6, 16.4, 30, 27.1, 32.4,
  23.5, 14.9, 20.7, 23.7, 22.3, 19.9, 25.1, 35.7, 33, 22.1, 20.8, 29.2, 20.5, 25.7, 34.1, 13.7, 22.9, 17.6, 16.7, 18.8,
  18.3, 18.2, 17.8, 20.1, 13.4, 12.4, 13.8, 11.2, 13, 16.5, 16.6, 20.9, 27.6, 12.7, 11, 9.76, 10.4, 15.8, 12.1, 10.9,
  7.23, 11.1, 13.2, 9.3, 6.7, 8.13, 10.5, 7.69, 8.6, 9.71, 10.4, 15.1, 12.6, 8.54, 11.6, 9.39, 7.67, 19, 8.24, 11.7,
  8.47, 6.72, 10.2, 8.57, 9.89, 9.58, 7.09, 18.7, 8.98, 8.53, 6.74, 6.35, 8.19, 5.53, 7.25, 9.23, 5.89, 8.72, 6.27,
  5.37, 7.3, 8.72, 7.17, 5.39, 7.45, 4.5, 7.54, 6.12, 8.68, 3.13, 7.1, 13.4, 3.92, 6.03, 4.79, 13.9, 4.7, 4.18, 4.58,
  6.71, 6.13, 3.97, 5.14, 3.54, 4.46, 3.43, 4.26, 7.27, 4.23, 6.71, 4.09, 11.2, 3.48, 4.7, 4.61, 4.05, 6.39, 4.1, 5.04,
  4.54, 4.13, 5.84, 2.99, 3.74, 2, 3.43, 3.92, 3.51, 2.08, 3.48, 2.49, 4, 4.44, 7.42, 2.26, 4.99, 2.13, 2.92, 2.32,
  4.53, 1.99, 5.43, 6.72, 4.33, 2.84, 3.01, 1.95, 3.07, 5, 3.02, 2.87, 2.75, 2.1, 4.97, 2.03, 1.56, 2.74, 2.4,
];

/** Relative frequency (0–1) of each of `FREQUENT_WORDS` in ordinary English. */
export const REFERENCE_FREQUENCIES: readonly number[] = PER_10_000.map((count) => count / 10_000);
