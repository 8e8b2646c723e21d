import { defineConfig } from 'vitest/config';
import { BUILT, fromBuild, requireFreshBuild } from './test/support/built.ts';

/** Property tests run from recorded seeds. Node loads the build by itself. */
const shared = {
  pool: 'forks' as const,
  setupFiles: ['test/support/recorded-seed.ts'],
  server: { deps: { external: [/\/dist\/.*\.js$/] } },
};

/** The packages of this repository from their sources. The other conditions are Vite's own for Node. */
const FROM_SOURCES = { ssr: { resolve: { conditions: ['baton-source', 'module', 'node', 'development|production'] } } };
/** The product is tested from its build where there is a fresh one: nothing has to be transformed, and processes start faster. */
if (BUILT) requireFreshBuild();
const product = BUILT ? { plugins: [fromBuild] } : FROM_SOURCES;

/** Random histories by the thousand, and logs that are cut or changed at every byte: not part of the fast check. */
const SEEDS = [
  '{src,packages/*/src}/**/*.property.test.ts',
  'packages/eventstore-node/src/store/{committer,recovery,verify}.test.ts',
];

/** Whole protocols with bad input and live connections, guides, large graphs: seconds per file, so not part of the fast check either. */
const SLOW = [
  'src/api/**/{bad-input,bad-requests,commands,cross-origin,edge,event-stream,many-mistakes,media-type,reads,subscriptions,execution-sockets,server,waiting}.test.ts',
  'src/api/graphql/executions/executions.test.ts',
  'src/api/rest/{rest,tasks,yaml-body}.test.ts',
  'src/cli/{guides,serve-failure,waiting,completion,run}.test.ts',
  'src/api/discovery.test.ts',
  'tools/{together,lint/bans}.test.ts',
  // Leaders, timers and calls: they wait, or load the clients of the stores.
  'src/{processes,dispatch,commands}/**/*.test.ts',
  'src/cli/workflows/validate.test.ts',
  'src/domain/{structures/hash-ring,pool/last-agents,routing/strategies}.test.ts',
  'src/domain/{planning/graph,execution/large-decisions,workflow/budget}.test.ts',
  'src/invariants/invariants.test.ts',
  'src/{eventstore/log-feed,api/edge/json-scanner,api/live/hub,embedded/supervise}.test.ts',
  'packages/{agent-sdk/src/{serve-agent,baton/membership},eventstore-node/src/persistent/subscriptions}.test.ts',
  'packages/eventstore-node/src/{storage/record,reads/regex/regex}.test.ts',
];

/** They replace a module with `vi.mock`, which only works where nothing has loaded it yet. */
const MOCKED = ['**/storage/segment-log.test.ts', '**/store/recovery-flush.test.ts'];

/** Files that cannot share loaded modules with others: access rules set for the whole process, or a second client that registers the same messages. */
const APART = [
  'test/contracts/event-store.secure.test.ts',
  'packages/eventstore-node/test/{secure,secure-acl,persistent-access,multi-append,multi-append-wire}.test.ts',
];

/** One worker per core. The default leaves one core to Vitest itself, which is half of a machine with two. */
const EVERY_CORE = '100%';

export default defineConfig({
  test: {
    projects: [
      {
        ...product,
        test: {
          ...shared,
          name: 'unit',
          sequence: { groupOrder: 0 },
          include: ['{src,packages/*/src,tools}/**/*.test.ts', 'test/{golden,support}/**/*.test.ts'],
          exclude: [...SEEDS, ...SLOW, ...MOCKED],
          // Unit tests change no global state, so the files share one set of loaded modules: half the CPU time.
          isolate: false,
          testTimeout: 30_000,
          maxWorkers: EVERY_CORE,
        },
      },
      {
        ...product,
        test: {
          ...shared,
          name: 'slow',
          sequence: { groupOrder: 0 },
          include: SLOW,
          isolate: false,
          testTimeout: 30_000,
          maxWorkers: EVERY_CORE,
        },
      },
      {
        ...FROM_SOURCES,
        test: {
          ...shared,
          name: 'unit-mocked',
          sequence: { groupOrder: 0 },
          include: MOCKED,
          maxWorkers: EVERY_CORE,
        },
      },
      {
        ...product,
        test: {
          ...shared,
          name: 'seeds',
          sequence: { groupOrder: 0 },
          include: SEEDS,
          isolate: false,
          testTimeout: 120_000,
          maxWorkers: EVERY_CORE,
        },
      },
      {
        ...product,
        test: {
          ...shared,
          name: 'servers',
          sequence: { groupOrder: 1 },
          include: ['test/{contracts,integration}/**/*.test.ts', 'packages/*/test/**/*.test.ts'],
          exclude: APART,
          isolate: false,
          globalSetup: ['test/support/global-setup.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
          // Much of it waits: for leases, restarts and processes that start.
          maxWorkers: 3,
        },
      },
      {
        ...product,
        test: {
          ...shared,
          name: 'servers-apart',
          sequence: { groupOrder: 1 },
          include: APART,
          globalSetup: ['test/support/global-setup.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
          // Much of it waits: for leases, restarts and processes that start.
          maxWorkers: 3,
        },
      },
      {
        ...product,
        test: {
          ...shared,
          name: 'e2e',
          sequence: { groupOrder: 2 },
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: ['test/support/global-setup.ts'],
          testTimeout: 600_000,
          hookTimeout: 120_000,
          // They keep both cores busy; a third file at a time makes all of them slower.
          maxWorkers: 2,
        },
      },
    ],
  },
});
