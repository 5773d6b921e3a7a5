/** What a writer has said about their style themselves; it wins over what was learned. */

import { z } from 'zod';
import { FEATURES, type FeatureName } from './style.ts';

const featureNames = FEATURES.map((feature) => feature.name) as [FeatureName, ...FeatureName[]];

/** Wished feature values, in the feature's own unit, and wished words. An absent one is left to learning. */
export const preferencesSchema = z.strictObject({
  features: z.partialRecord(z.enum(featureNames), z.number().min(-1000).max(1000)).optional(),
  substitutions: z.record(z.string().min(1).max(100), z.string().max(100)).optional(),
  note: z.string().max(2000).optional(),
});

export type Preferences = z.output<typeof preferencesSchema>;
