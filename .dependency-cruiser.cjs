const { readdirSync } = require('node:fs');

const layer = (name, from, to, comment) => ({
  name,
  severity: 'error',
  comment,
  from: { path: from },
  to: { path: to },
});

/** The files that a package offers to others: what its `exports` name. */
const faces = readdirSync('packages').flatMap((name) =>
  Object.values(require(`./packages/${name}/package.json`).exports)
    .map((target) => target['baton-source'])
    .filter((file) => file !== undefined)
    .map((file) => `${name}/${file.slice(2)}`),
);
const NO_FACE = `(?!(${faces.join('|').replaceAll('.', '\\.')})$)`;

/** Directions of dependency: platform <- eventstore <- {commands, processes, projections, dispatch} <- api <- roles <- main; domain is pure. */
module.exports = {
  forbidden: [
    {
      name: 'no-circular',
      severity: 'error',
      from: {},
      comment: 'type imports count: a circle of types is a circle of files to read',
      to: { circular: true },
    },
    layer(
      'domain-is-pure',
      '^src/domain',
      '^src/(?!domain/)',
      'domain imports nothing else of ours; biome.json lists its packages',
    ),
    layer(
      'wording-above-domain',
      '^src/wording',
      '^src/(?!wording/|domain/)',
      'sentences about the domain, for every protocol',
    ),
    layer('platform-is-the-floor', '^src/platform', '^src/(?!platform/|domain/)'),
    layer('eventstore-above-platform', '^src/eventstore', '^src/(?!eventstore/|platform/|domain/)'),
    layer('invariants-above-eventstore', '^src/invariants', '^src/(?!invariants/|eventstore/|platform/|domain/)'),
    layer('commands-layer', '^src/commands', '^src/(?!commands/|eventstore/|platform/|domain/)'),
    layer('projections-layer', '^src/projections', '^src/(?!projections/|eventstore/|platform/|domain/)'),
    layer('dispatch-layer', '^src/dispatch', '^src/(?!dispatch/|commands/|eventstore/|platform/|domain/)'),
    layer(
      'processes-layer',
      '^src/processes',
      '^src/(?!processes/|commands/|dispatch/queues/attempt-queue|eventstore/|platform/|domain/)',
    ),
    layer(
      'the-leader-knows-no-process',
      '^src/processes/(leader|fold-snapshots|parked-streams|snapshot-writer)',
      '^src/(?!processes/(leader|fold-snapshots|parked-streams|snapshot-writer)|eventstore/|platform/|domain/)',
      'it owns everything but the fold and the decision',
    ),
    layer(
      'api-layer',
      '^src/api',
      '^src/(?!api/|wording/|commands/|projections/|dispatch/|processes/|eventstore/|platform/|domain/)',
    ),
    layer(
      'api-protocols-apart',
      '^src/api/graphql',
      '^src/api/rest',
      'protocols share wording, domain, live, reads and edge',
    ),
    layer('rest-layer', '^src/api/rest', '^src/api/(?!rest|reads|live|edge|errors)'),
    layer('reads-layer', '^src/api/reads', '^src/api/(?!reads|live|errors)'),
    layer('live-layer', '^src/api/live', '^src/api/(?!live|errors)'),
    layer('ws-layer', '^src/api/ws', '^src/api/(?!ws|live|edge|errors)'),
    layer('edge-layer', '^src/api/edge', '^src/api/(?!edge|errors)'),
    layer('roles-above-api', '^src/roles', '^src/(cli|examples|main|baton)', 'what each role starts'),
    layer('main-is-the-top', '^src/(?!main|baton|cli|embedded|examples)', '^src/(main|baton)'),
    layer('embedded-above-platform', '^src/embedded', '^src/(?!embedded/|platform/)', 'launchers of the servers'),
    layer('nobody-imports-the-examples', '^src/(?!cli|examples)', '^src/examples'),
    layer(
      'nobody-past-the-index-of-a-package',
      '^src',
      `^packages/${NO_FACE}`,
      'use what the package exports, by its name',
    ),
    layer('packages-by-their-index', '^packages/([^/]+)/src', `^packages/(?!$1/)${NO_FACE}`),
    layer('packages-without-baton', '^packages/[^/]+/src', '^src', 'a package stands alone'),
    {
      name: 'client-stands-alone',
      severity: 'error',
      comment: 'no library and no Node module: it also runs in a browser',
      from: { path: '^packages/client/src', pathNot: '\\.test\\.ts$' },
      to: { pathNot: '^packages/client/src' },
    },
    {
      name: 'agent-sdk-stands-alone',
      severity: 'error',
      comment: 'the A2A SDK, Express, a cache and Node modules, nothing else',
      from: { path: '^packages/agent-sdk/src', pathNot: '\\.test\\.ts$' },
      to: {
        pathNot: ['^packages/agent-sdk/src', '^node_modules/(@a2a-js/sdk|express|@types/express|lru-cache)/'],
        dependencyTypesNot: ['core'],
      },
    },
    {
      name: 'eventstore-node-stands-alone',
      severity: 'error',
      comment: 'zod and Node modules, nothing else',
      from: { path: '^packages/eventstore-node/src' },
      to: { pathNot: ['^packages/eventstore-node/src', '^node_modules/zod/'], dependencyTypesNot: ['core'] },
    },
    // csrd-report is a command line of its own; it has the place of the cli.
    layer('nobody-imports-the-cli', '^src/(?!cli|examples/csrd-report)', '^src/cli'),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '\\.test\\.ts$' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['baton-source', 'import', 'node', 'default', 'types'],
    },
  },
};
