/**
 * Long versions of tests that `npm test` runs with few seeds or kills. `npm run campaign` lists them, `npm run campaign -- NAME`
 * runs one. A setting in the environment goes before the one below, for example `FAULT_SEED=7 npm run campaign -- chaos`.
 */
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

/** A program of its own, beside this one, instead of a run of Vitest. */
type Script = { readonly about: string; readonly script: string };

type Campaign = {
  readonly about: string;
  readonly project: 'unit' | 'seeds' | 'servers' | 'e2e';
  readonly files: readonly string[];
  readonly settings: Readonly<Record<string, string>>;
  /** Only the tests whose title contains this. */
  readonly only?: string;
  /** Its seeds, FAULT_SEEDS of them from FAULT_SEED on, are shared out among as many processes as there are cores. */
  readonly everyCore?: true;
};

const PROPERTIES = ['src/domain/execution/', 'src/invariants/'];

const CAMPAIGNS: Readonly<Record<string, Campaign | Script>> = {
  chaos: {
    about:
      'at least 10,000 tasks in a fleet of processes: every role is killed 40 times, every store is killed, frozen and cut off 7 times each (FAULT_KILLS, FAULT_STORES, FAULT_TASKS, FAULT_SEED)',
    project: 'e2e',
    files: ['test/e2e/faults.test.ts'],
    settings: { FAULT_KILLS: '40', FAULT_STORES: '21', FAULT_TASKS: '10000' },
  },
  'executions-faults': {
    about: 'a thousand executions in such a fleet (FAULT_KILLS, FAULT_SEED, FAULT_EXECUTIONS)',
    project: 'e2e',
    files: ['test/e2e/executions-faults.test.ts'],
    settings: { FAULT_KILLS: '20', FAULT_EXECUTIONS: '1000' },
  },
  executions: {
    about: 'executions over a log in memory under random faults, 5,000 seeds (FAULT_SEEDS, FAULT_SEED is the first)',
    project: 'seeds',
    files: ['src/invariants/executions.property.test.ts'],
    settings: { FAULT_SEEDS: '5000' },
    only: 'executions under random faults',
    everyCore: true,
  },
  simulation: {
    about:
      'the background processes over simulated stores, agents and time, 20,000 seeds (FAULT_SEEDS, FAULT_SEED is the first)',
    project: 'seeds',
    files: ['src/invariants/simulation.property.test.ts'],
    settings: { FAULT_SEEDS: '20000' },
    only: 'in a simulated world',
    everyCore: true,
  },
  sagas: {
    about: 'random sagas against an independent checker, 50,000 of them (SAGA_RUNS)',
    project: 'seeds',
    files: ['src/domain/execution/saga.property.test.ts'],
    settings: { SAGA_RUNS: '50000', PROPERTY_SEED: String(randomInt(2 ** 31)) },
    only: 'random sagas',
  },
  routing: {
    about:
      'random fleets of up to 10,000 agents, each decision of each policy made again by looking at every agent (ROUTING_FLEETS, ROUTING_AGENTS, ROUTING_STEPS)',
    project: 'seeds',
    files: ['src/domain/pool/routing-reference.property.test.ts'],
    settings: {
      ROUTING_FLEETS: '10',
      ROUTING_AGENTS: '10000',
      ROUTING_STEPS: '60',
      PROPERTY_SEED: String(randomInt(2 ** 31)),
    },
    only: 'by looking at every agent',
  },
  migrations: {
    about: 'random executions that change their version on the way, 20,000 of them (MIGRATION_RUNS)',
    project: 'seeds',
    files: ['src/domain/execution/migration.property.test.ts'],
    settings: { MIGRATION_RUNS: '20000', PROPERTY_SEED: String(randomInt(2 ** 31)) },
  },
  properties: {
    about: 'every property of the unit tests from another seed (PROPERTY_SEED); what it finds is kept as a case',
    project: 'unit',
    files: [],
    settings: { PROPERTY_SEED: String(randomInt(2 ** 31)) },
  },
  'broken-builds': {
    about: 'every deliberately broken build must be found by the checkers',
    project: 'seeds',
    files: PROPERTIES,
    settings: {},
    only: 'a broken build',
  },
  'projection-kills': {
    about: 'a process that runs the projections is killed at 60 moments of its work (PROJECTION_KILLS)',
    project: 'servers',
    files: ['test/integration/projections-kill.test.ts'],
    settings: { PROJECTION_KILLS: '60' },
  },
  'node-crashes': {
    about:
      'the eventstore-node is killed 50 times, and its last write torn at every byte (EVENTSTORE_NODE_KILLS, EVENTSTORE_NODE_TORN_STEP)',
    project: 'servers',
    files: ['packages/eventstore-node/test/durability-faults.test.ts'],
    settings: { EVENTSTORE_NODE_KILLS: '50', EVENTSTORE_NODE_TORN_STEP: '1' },
  },
  'node-model': {
    about:
      'random histories of the eventstore-node against its model, 5,000 (EVENTSTORE_NODE_HISTORIES, EVENTSTORE_NODE_SEED)',
    project: 'servers',
    files: ['packages/eventstore-node/test/model.test.ts'],
    settings: { EVENTSTORE_NODE_HISTORIES: '5000' },
  },
  'node-fuzz': {
    about: 'broken requests to the eventstore-node, 20,000 (EVENTSTORE_NODE_FUZZ, EVENTSTORE_NODE_SEED)',
    project: 'servers',
    files: ['packages/eventstore-node/test/fuzz.test.ts'],
    settings: { EVENTSTORE_NODE_FUZZ: '20000' },
  },
  'node-versions': {
    about: 'the demo and the unit tests on Node 20, 22, 24 and 26 from npm (NODE_VERSIONS, NODE_UNIT_TESTS)',
    script: 'node-versions.ts',
  },
  install: {
    about: 'a clone is packed, installed into another project with npm, and used there as library and command',
    script: 'install.ts',
  },
};

const list = (): string => {
  const width = Math.max(...Object.keys(CAMPAIGNS).map((name) => name.length));
  return Object.entries(CAMPAIGNS)
    .map(([name, { about }]) => `  ${name.padEnd(width)}  ${about}\n`)
    .join('');
};

const start = (command: string, args: readonly string[], settings: Campaign['settings']): void => {
  const child = spawn(command, args, { stdio: 'inherit', env: { ...process.env, ...settings } });
  child.once('exit', (code) => {
    if (code !== 0) process.exitCode = code ?? 1;
  });
};

const runScript = ({ script }: Script): void =>
  start('npx', ['tsx', fileURLToPath(new URL(script, import.meta.url))], {});

/** The seeds of each process. */
const shares = (first: number, seeds: number, processes: number): Campaign['settings'][] => {
  const share = Math.ceil(seeds / processes);
  return Array.from({ length: processes }, (_, i) => ({
    FAULT_SEED: String(first + i * share),
    FAULT_SEEDS: String(Math.max(0, Math.min(share, seeds - i * share))),
  })).filter(({ FAULT_SEEDS }) => FAULT_SEEDS !== '0');
};

const runTests = ({ project, files, settings, only, everyCore }: Campaign): void => {
  const filter = only === undefined ? [] : ['-t', only];
  const args = [
    'vitest',
    'run',
    '--project',
    project,
    '--reporter=verbose',
    ...filter,
    '--testTimeout=86400000',
    ...files,
  ];
  const given = { ...settings, ...process.env };
  const processes = everyCore
    ? shares(Number(given['FAULT_SEED'] ?? 1), Number(given['FAULT_SEEDS']), availableParallelism())
    : [{}];
  for (const share of processes) {
    const chosen = Object.entries({ ...given, ...share }).filter(
      (entry): entry is [string, string] => entry[0] in settings || /_SEEDS?$/.test(entry[0]),
    );
    process.stdout.write(`${chosen.map(([name, value]) => `${name}=${value}`).join(' ')} npx ${args.join(' ')}\n`);
    start('npx', args, Object.fromEntries(chosen));
  }
};

const [name] = process.argv.slice(2);
const campaign = name === undefined ? undefined : CAMPAIGNS[name];
if (campaign !== undefined && 'script' in campaign) runScript(campaign);
else if (campaign !== undefined) runTests(campaign);
else if (name === undefined) process.stdout.write(`usage: npm run campaign -- NAME\n${list()}`);
else {
  process.stderr.write(`error: no campaign is called ${JSON.stringify(name)}; there are\n${list()}`);
  process.exitCode = 2;
}
