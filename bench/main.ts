import { parseArgs } from 'node:util';
import { ownStores } from '#baton/cli/own-stores.js';
import type { Bench, BenchStores } from './harness.ts';

const benches: Record<string, () => Promise<Bench>> = {
  tasks: async () => (await import('./tasks.ts')).tasks,
  saga: async () => (await import('./workflows.ts')).sagas,
  dispatchers: async () => (await import('./dispatchers.ts')).dispatchers,
  fanout: async () => (await import('./workflows.ts')).fanout,
  scale: async () => (await import('./scale.ts')).scale,
  live: async () => (await import('./live.ts')).live,
  idle: async () => (await import('./idle.ts')).idle,
  eventstore: async () => (await import('../packages/eventstore-node/bench/eventstore.ts')).eventstore,
  planning: async () => (await import('./planning.ts')).planning,
  expressions: async () => (await import('./expressions.ts')).expressions,
  discovery: async () => (await import('./discovery.ts')).discovery,
  registration: async () => (await import('./registration.ts')).registration,
  compensation: async () => (await import('./compensation.ts')).compensation,
  admission: async () => (await import('./admission.ts')).admission,
  routing: async () => (await import('./routing.ts')).routing,
  snapshots: async () => (await import('./snapshots.ts')).snapshots,
};

const usage = (): string =>
  [
    'usage: npm run -s bench -- NAME [--json] [--runs N]',
    '',
    ...Object.keys(benches).map((name) => `  ${name}`),
    '',
    '--json   exactly one JSON object on stdout',
    '--runs   runs per figure (default 5)',
    '--stores env   use the servers of EVENTSTORE_URL, DATABASE_URL and REDIS_URL, and write to them; otherwise they are ignored',
    '--slow-subscribers drop|read   the event store treats slow live subscribers as EventStoreDB 23.10 or 24 does',
  ].join('\n');

type Values = { readonly stores?: string | undefined; readonly 'slow-subscribers'?: string | undefined };

/** Errors: throws for values that are not allowed. */
const storesOf = ({ stores = 'embedded', 'slow-subscribers': slow }: Values): BenchStores => {
  if (stores !== 'embedded' && stores !== 'env') throw new Error(`--stores takes embedded or env, got ${stores}`);
  if (slow !== undefined && slow !== 'drop' && slow !== 'read')
    throw new Error(`--slow-subscribers takes drop or read, got ${slow}`);
  if (stores === 'embedded') return { slowSubscribers: slow };
  if (slow !== undefined) throw new Error('--slow-subscribers is for embedded stores');
  const { urls, hosts } = ownStores(process.env);
  console.error(`writes to ${hosts}`);
  return { urls };
};

const main = async (): Promise<number> => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      runs: { type: 'string', default: '5' },
      stores: { type: 'string' },
      'slow-subscribers': { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const [name] = positionals;
  const runs = Number(values.runs);
  if (values.help || name === undefined) {
    console.log(usage());
    return values.help ? 0 : 2;
  }
  const load = benches[name];
  if (!load || !Number.isInteger(runs) || runs < 1) {
    console.error(
      load ? `--runs takes a whole number from 1, got ${values.runs}` : `there is no benchmark ${name}\n${usage()}`,
    );
    return 2;
  }
  let stores: BenchStores;
  try {
    stores = storesOf(values);
  } catch (error) {
    console.error((error as Error).message);
    return 2;
  }
  const bench = await load();
  const say = (line: string): void => console.error(line);
  say(bench.question);
  const { figures, ratios, runs: ran } = await bench.run({ runs, say, stores });
  const result = { name, at: new Date().toISOString(), runs: ran, figures, ratios };
  if (values.json) console.log(JSON.stringify(result));
  else {
    console.table(figures);
    if (Object.keys(ratios).length > 0) console.table(ratios);
  }
  return 0;
};

process.exitCode = await main();
