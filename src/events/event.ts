/**
 * Events: facts that happened, past tense, versioned. One row per type with the schema of its data.
 *
 * A definition may only announce or listen `on` a type of this table; a boot with another one stops.
 */

import { z } from 'zod';

/** Type to schema of its data. A change of shape is a new version, not an edit. */
export const EVENTS = {
  /** A job has reached `completed`; its effect is applied and its caches are gone. */
  'job.completed': { version: 1, data: z.object({ jobId: z.string(), job: z.string() }) },
  /** A writer's profile has a new version. */
  'profile.updated': { version: 1, data: z.object({ userId: z.string(), profileVersion: z.int() }) },
} as const;

export type EventType = keyof typeof EVENTS;

/** What a definition announces: a type and its data. */
export type Announcement = {
  [T in EventType]: { readonly type: T; readonly data: z.output<(typeof EVENTS)[T]['data']> };
}[EventType];

/** An announcement with its identity: what subscribers and the stream see. */
export type Event = Announcement & {
  /** Job id plus an index: the same event always has the same id. */
  readonly id: string;
  readonly version: number;
  readonly tenant: string;
  /** ISO 8601, UTC. */
  readonly occurredAt: string;
};

/** Is there such a type? */
export function isEventType(type: string): type is EventType {
  return Object.hasOwn(EVENTS, type);
}
