import { defineConfig } from 'vitest/config';

const shared = { pool: 'forks' as const };

/** Random histories by the thousand: not part of the fast check. */
const SEEDS = ['src/**/*.property.test.ts'];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...shared,
          name: 'unit',
          sequence: { groupOrder: 0 },
          include: ['src/**/*.test.ts', 'test/{golden,support}/**/*.test.ts'],
          exclude: SEEDS,
        },
      },
      {
        test: {
          ...shared,
          name: 'seeds',
          sequence: { groupOrder: 0 },
          include: SEEDS,
        },
      },
      {
        test: {
          ...shared,
          name: 'servers',
          sequence: { groupOrder: 1 },
          include: ['test/{contracts,integration}/**/*.test.ts'],
          globalSetup: ['test/support/global-setup.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
          maxWorkers: 2,
        },
      },
      {
        test: {
          ...shared,
          name: 'e2e',
          sequence: { groupOrder: 2 },
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: ['test/support/global-setup.ts'],
          testTimeout: 600_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
