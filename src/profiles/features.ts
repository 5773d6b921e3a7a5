/**
 * The features of a text that make its style, in one table: what each is, in which unit, what more of it means, and
 * how it is spread over ordinary English.
 *
 * Promises: names are stored with every edit and never change their meaning; `docs/learning.md` shows the same table.
 * Where `typical` and `scale` come from: docs/decisions/0005-style-features.md. They are units to compare in.
 */

interface FeatureRow {
  /** Its name for people, its unit, and what a higher value means. */
  readonly words: { readonly label: string; readonly unit: string; readonly direction: string };
  /** What a writer does who raises it, and who lowers it. */
  readonly habit: { readonly more: string; readonly less: string };
  /** Smallest and largest value (a measured one is clamped), mean, deviations, digits when shown: see `Feature`. */
  readonly range: { min: number; max: number; typical: number; scale: number; within: number; digits: number };
}

const TABLE = {
  sentenceLength: {
    words: { label: 'sentence length', unit: 'words', direction: 'longer sentences' },
    habit: { more: 'prefers long sentences', less: 'prefers short sentences' },
    range: { min: 0, max: 200, typical: 19.3, scale: 7.7, within: 5.4, digits: 0 },
  },
  sentenceSpread: {
    words: {
      label: 'variety of sentence length',
      unit: 'words',
      direction: 'more uneven sentence lengths (standard deviation)',
    },
    habit: { more: 'varies sentence length', less: 'keeps sentences even in length' },
    range: { min: 0, max: 200, typical: 11.1, scale: 5.8, within: 4.4, digits: 0 },
  },
  wordLength: {
    words: { label: 'word length', unit: 'letters', direction: 'longer words' },
    habit: { more: 'prefers long words', less: 'prefers short words' },
    range: { min: 0, max: 20, typical: 4.57, scale: 0.41, within: 0.22, digits: 2 },
  },
  lexicalVariety: {
    words: {
      label: 'variety of words',
      unit: 'distinct share of 50 words',
      direction: 'fewer repeated words (moving-average type-token ratio)',
    },
    habit: { more: 'varies the words', less: 'repeats words' },
    range: { min: 0, max: 1, typical: 0.8, scale: 0.054, within: 0.031, digits: 2 },
  },
  contractions: {
    words: { label: 'contractions', unit: 'per 100 words', direction: 'more contractions' },
    habit: { more: "contracts (don't, it's)", less: 'writes contractions out' },
    range: { min: 0, max: 100, typical: 1, scale: 1.3, within: 0.66, digits: 1 },
  },
  exclamations: {
    words: { label: 'exclamation marks', unit: 'per 100 words', direction: 'more exclamation marks' },
    habit: { more: 'adds exclamation marks', less: 'removes exclamation marks' },
    range: { min: 0, max: 100, typical: 0.14, scale: 0.52, within: 0.26, digits: 1 },
  },
  questions: {
    words: { label: 'question marks', unit: 'per 100 words', direction: 'more question marks' },
    habit: { more: 'adds questions', less: 'removes questions' },
    range: { min: 0, max: 100, typical: 0.38, scale: 0.79, within: 0.47, digits: 1 },
  },
  commas: {
    words: { label: 'commas', unit: 'per 100 words', direction: 'more commas' },
    habit: { more: 'adds commas', less: 'removes commas' },
    range: { min: 0, max: 100, typical: 5.1, scale: 2.3, within: 1.9, digits: 1 },
  },
  semicolons: {
    words: { label: 'semicolons', unit: 'per 100 words', direction: 'more semicolons' },
    habit: { more: 'adds semicolons', less: 'removes semicolons' },
    range: { min: 0, max: 100, typical: 0.2, scale: 0.47, within: 0.46, digits: 1 },
  },
  colons: {
    words: { label: 'colons', unit: 'per 100 words', direction: 'more colons' },
    habit: { more: 'adds colons', less: 'removes colons' },
    range: { min: 0, max: 100, typical: 0.44, scale: 1, within: 0.41, digits: 1 },
  },
  dashes: {
    words: { label: 'dashes', unit: 'per 100 words', direction: 'more dashes (em, en, double or spaced hyphen)' },
    habit: { more: 'adds dashes', less: 'removes dashes' },
    range: { min: 0, max: 100, typical: 0.4, scale: 0.74, within: 0.5, digits: 1 },
  },
  parentheses: {
    words: { label: 'parentheses', unit: 'pairs per 100 words', direction: 'more asides in parentheses' },
    habit: { more: 'adds asides in parentheses', less: 'removes asides in parentheses' },
    range: { min: 0, max: 100, typical: 0.59, scale: 1, within: 0.45, digits: 1 },
  },
  quotations: {
    words: { label: 'quotation marks', unit: 'pairs per 100 words', direction: 'more quoted words' },
    habit: { more: 'puts words in quotation marks', less: 'removes quotation marks' },
    range: { min: 0, max: 100, typical: 0.86, scale: 1.4, within: 1, digits: 1 },
  },
  ellipses: {
    words: { label: 'ellipses', unit: 'per 100 words', direction: 'more ellipses' },
    habit: { more: 'trails off with ellipses', less: 'removes ellipses' },
    range: { min: 0, max: 100, typical: 0.18, scale: 0.63, within: 0.25, digits: 1 },
  },
  oxfordComma: {
    words: {
      label: 'Oxford comma',
      unit: '-1 never, 1 always',
      direction: 'a comma before the last item of more lists (0: no list)',
    },
    habit: { more: 'puts the Oxford comma', less: 'leaves the Oxford comma out' },
    range: { min: -1, max: 1, typical: 0, scale: 0.49, within: 0.54, digits: 1 },
  },
  emoji: {
    words: { label: 'emoji', unit: 'per 100 words', direction: 'more emoji and emoticons' },
    habit: { more: 'adds emoji', less: 'removes emoji' },
    range: { min: 0, max: 100, typical: 0.1, scale: 0.5, within: 0.2, digits: 1 },
  },
  hedges: {
    words: { label: 'hedges', unit: 'per 100 words', direction: 'more hedging (perhaps, I think, somewhat)' },
    habit: { more: 'hedges', less: 'cuts hedges' },
    range: { min: 0, max: 100, typical: 0.84, scale: 0.9, within: 0.62, digits: 1 },
  },
  intensifiers: {
    words: { label: 'intensifiers', unit: 'per 100 words', direction: 'more intensifiers (very, really, so good)' },
    habit: { more: 'intensifies', less: 'cuts intensifiers' },
    range: { min: 0, max: 100, typical: 0.49, scale: 0.58, within: 0.46, digits: 1 },
  },
  passive: {
    words: { label: 'passive voice', unit: 'share of sentences', direction: 'more sentences in the passive voice' },
    habit: { more: 'uses the passive voice', less: 'prefers the active voice' },
    range: { min: 0, max: 1, typical: 0.16, scale: 0.17, within: 0.14, digits: 2 },
  },
  formality: {
    words: {
      label: 'formality',
      unit: 'F-score, 0-100',
      direction: 'more formal, less deictic (Heylighen & Dewaele 1999)',
    },
    habit: { more: 'makes the text more formal', less: 'makes the text less formal' },
    range: { min: 0, max: 100, typical: 61.6, scale: 8.8, within: 5.3, digits: 0 },
  },
  firstPerson: {
    words: { label: 'first person', unit: 'per 100 words', direction: 'more I, we, my, our' },
    habit: { more: 'speaks in the first person', less: 'avoids the first person' },
    range: { min: 0, max: 100, typical: 2.2, scale: 2.4, within: 1.3, digits: 1 },
  },
  secondPerson: {
    words: { label: 'second person', unit: 'per 100 words', direction: 'more you and your' },
    habit: { more: 'addresses the reader', less: 'avoids addressing the reader' },
    range: { min: 0, max: 100, typical: 0.8, scale: 1.4, within: 0.85, digits: 1 },
  },
  greeting: {
    words: { label: 'greeting', unit: '0 or 1', direction: 'opens with a greeting' },
    habit: { more: 'opens with a greeting', less: 'drops the greeting' },
    range: { min: 0, max: 1, typical: 0.2, scale: 0.4, within: 0.16, digits: 1 },
  },
  signOff: {
    words: { label: 'sign-off', unit: '0 or 1', direction: 'closes with a sign-off' },
    habit: { more: 'closes with a sign-off', less: 'drops the sign-off' },
    range: { min: 0, max: 1, typical: 0.2, scale: 0.4, within: 0.16, digits: 1 },
  },
  paragraphLength: {
    words: { label: 'paragraph length', unit: 'words', direction: 'longer paragraphs' },
    habit: { more: 'prefers long paragraphs', less: 'prefers short paragraphs' },
    range: { min: 0, max: 1000, typical: 55.1, scale: 42, within: 34, digits: 0 },
  },
  listItems: {
    words: { label: 'list items', unit: 'share of lines', direction: 'more lines that are list items' },
    habit: { more: 'writes lists', less: 'turns lists into prose' },
    range: { min: 0, max: 1, typical: 0.05, scale: 0.15, within: 0.06, digits: 2 },
  },
  readability: {
    words: { label: 'reading ease', unit: 'Flesch, -50-121', direction: 'easier to read (Flesch 1948)' },
    habit: { more: 'makes the text easier to read', less: 'makes the text harder to read' },
    range: { min: -50, max: 121, typical: 60.8, scale: 18, within: 9.4, digits: 0 },
  },
  sentiment: {
    words: { label: 'sentiment', unit: '-1 to 1', direction: 'more positive' },
    habit: { more: 'turns more positive', less: 'turns more negative' },
    range: { min: -1, max: 1, typical: 0.073, scale: 0.13, within: 0.12, digits: 2 },
  },
} as const satisfies Record<string, FeatureRow>;

/** The name of a feature; a key of every record of feature values. */
export type FeatureName = keyof typeof TABLE;

/** One feature, as the table describes it. */
export interface Feature {
  readonly name: FeatureName;
  /** Name for people. */
  readonly label: string;
  readonly unit: string;
  /** What a higher value means. */
  readonly direction: string;
  /** What a writer does who raises it. */
  readonly more: string;
  /** What a writer does who lowers it. */
  readonly less: string;
  /** Smallest value; a measured one is clamped. */
  readonly min: number;
  /** Largest value; a measured one is clamped. */
  readonly max: number;
  /** Mean over ordinary English texts, in the feature's unit. */
  readonly typical: number;
  /** Standard deviation over ordinary English texts, in the feature's unit. */
  readonly scale: number;
  /** Standard deviation between passages of one text, in the feature's unit. */
  readonly within: number;
  /** Digits after the point when it is shown to people. */
  readonly digits: number;
}

/** Every feature, in the order of the table. */
export const FEATURES: readonly Feature[] = Object.entries<FeatureRow>(TABLE).map(([name, row]) => ({
  name: name as FeatureName,
  ...row.words,
  ...row.habit,
  ...row.range,
}));

/** A value for every feature, made by one function. */
export function eachFeature<V>(value: (feature: Feature) => V): Record<FeatureName, V> {
  return Object.fromEntries(FEATURES.map((feature) => [feature.name, value(feature)])) as Record<FeatureName, V>;
}

/** Below this a rounded figure is nothing: no feature and no frequency has a scale near it. */
const NOTHING = 1e-9;

/** A number with six significant digits: enough to tell texts apart, short enough to store with every edit. */
export function compact(value: number): number {
  // What is left of a difference that should be nothing, after sums in another order.
  if (Math.abs(value) < NOTHING) return 0;
  return Number(value.toPrecision(6));
}
