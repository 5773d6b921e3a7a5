/**
 * How the tests run. `test/unit` needs nothing; the other folders get real stores from `test/support/stores.ts`.
 * One folder alone: `npx vitest run --project unit`.
 */

import { defineConfig } from 'vitest/config';

const SECOND_MS = 1000;

interface Folder {
  readonly name: string;
  readonly timeoutMs: number;
  readonly stores: boolean;
  /** Test files at once. End-to-end and chaos tests start processes of their own, and run alone. */
  readonly files: number;
  /** Folders of one group run side by side; groups run one after the other. */
  readonly group: number;
}

const FOLDERS: readonly Folder[] = [
  { name: 'unit', timeoutMs: 30 * SECOND_MS, stores: false, files: 2, group: 0 },
  { name: 'contract', timeoutMs: 30 * SECOND_MS, stores: true, files: 2, group: 0 },
  { name: 'integration', timeoutMs: 30 * SECOND_MS, stores: true, files: 2, group: 0 },
  { name: 'e2e', timeoutMs: 120 * SECOND_MS, stores: true, files: 1, group: 1 },
  { name: 'chaos', timeoutMs: 120 * SECOND_MS, stores: true, files: 1, group: 2 },
];

export default defineConfig({
  test: {
    pool: 'forks',
    projects: FOLDERS.map(({ name, timeoutMs, stores, files, group }) => ({
      test: {
        name,
        include: [`test/${name}/**/*.test.ts`],
        pool: 'forks' as const,
        maxWorkers: files,
        testTimeout: timeoutMs,
        hookTimeout: 60 * SECOND_MS,
        teardownTimeout: 20 * SECOND_MS,
        sequence: { groupOrder: group },
        ...(stores ? { globalSetup: ['test/support/stores.ts'] } : {}),
      },
    })),
  },
});
