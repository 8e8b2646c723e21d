import { parseArgs } from 'node:util';
import type { Bench } from './harness.ts';

const benches: Record<string, () => Promise<Bench>> = {
  tasks: async () => (await import('./tasks.ts')).tasks,
  saga: async () => (await import('./workflows.ts')).sagas,
  fanout: async () => (await import('./workflows.ts')).fanout,
  scale: async () => (await import('./scale.ts')).scale,
  idle: async () => (await import('./idle.ts')).idle,
  eventstore: async () => (await import('../packages/eventstore-node/bench/eventstore.ts')).eventstore,
  planning: async () => (await import('./planning.ts')).planning,
  expressions: async () => (await import('./expressions.ts')).expressions,
  compensation: async () => (await import('./compensation.ts')).compensation,
};

const usage = (): string =>
  [
    'usage: npm run -s bench -- NAME [--json] [--runs N]',
    '',
    ...Object.keys(benches).map((name) => `  ${name}`),
    '',
    '--json   exactly one JSON object on stdout',
    '--runs   runs per figure (default 5)',
  ].join('\n');

const main = async (): Promise<number> => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      runs: { type: 'string', default: '5' },
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
  const bench = await load();
  const say = (line: string): void => console.error(line);
  say(bench.question);
  const { figures, ratios, runs: ran } = await bench.run({ runs, say });
  const result = { name, at: new Date().toISOString(), runs: ran, figures, ratios };
  if (values.json) console.log(JSON.stringify(result));
  else {
    console.table(figures);
    if (Object.keys(ratios).length > 0) console.table(ratios);
  }
  return 0;
};

process.exitCode = await main();
