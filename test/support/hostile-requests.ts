/**
 * Requests that no honest client sends, and what each must be answered: the whole table, independent of what jobs mean.
 *
 * Run against a small app by `test/unit/http/hostile.test.ts`, and against the whole service wherever there is one: see
 * `playHostile` and `HostileTarget` in `hostile-player.ts`.
 */

import { HOSTILE_BATCHES } from './hostile-batches.ts';
import { HOSTILE_BODIES } from './hostile-bodies.ts';
import { HOSTILE_FRAMING } from './hostile-framing.ts';
import { HOSTILE_JSON } from './hostile-json.ts';
import type { HostileRequest } from './hostile-player.ts';
import { HOSTILE_TARGETS } from './hostile-targets.ts';

export const HOSTILE_REQUESTS: readonly HostileRequest[] = [
  ...HOSTILE_FRAMING,
  ...HOSTILE_TARGETS,
  ...HOSTILE_BODIES,
  ...HOSTILE_JSON,
  ...HOSTILE_BATCHES,
];
