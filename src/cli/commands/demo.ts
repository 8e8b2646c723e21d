import type { Command } from 'commander';
import { Option } from 'commander';
import { Ended, EXIT } from '../failure.ts';
import * as parse from '../parse.ts';
import { print } from '../print.ts';
import { examples } from '../program.ts';
import { StopRequest } from '../stop-request.ts';
import type { Terminal } from '../terminal.ts';

const MOST_SUPPLIERS = 100_000;
const MAX_SEED = 4_294_967_295;

type Options = { readonly suppliers: number; readonly seed: number; readonly fault: boolean; readonly json?: boolean };

const demo = async (terminal: Terminal, options: Options): Promise<void> => {
  const [{ runDemo }, { isSuccess, summarise, summaryText }] = await Promise.all([
    import('../demo/run-demo.ts'),
    import('../demo/summary.ts'),
  ]);
  const stop = new StopRequest();
  const say = (line: string): void => (options.json === true ? undefined : terminal.err(`${line}\n`));
  try {
    const run = await runDemo(terminal, options, { say, signal: stop.signal });
    const summary = summarise(run);
    print(terminal, options.json, summary, () => `\n${summaryText(run, summary)}`);
    if (!isSuccess(summary)) throw new Ended(EXIT.failed);
  } catch (error) {
    if (stop.requested) {
      say('The demo has stopped.');
      throw new Ended(EXIT.interrupted);
    }
    throw error;
  }
};

export const addDemo = (program: Command, terminal: Terminal): void => {
  program
    .command('demo')
    .description('Run the main job end to end: three agents, one task per supplier, one agent killed midway.')
    .addOption(new Option('--suppliers <n>', 'how many tasks').argParser(parse.integer(1, MOST_SUPPLIERS)).default(500))
    .addOption(
      new Option('--seed <n>', 'the same seed gives the same suppliers')
        .argParser(parse.integer(0, MAX_SEED))
        .default(42),
    )
    .option('--no-fault', 'do not kill an agent')
    .option('--json', 'print exactly one JSON object')
    .addHelpText(
      'after',
      `${examples('baton demo', 'baton demo --suppliers 2000 --seed 7', 'baton demo --no-fault --json')}
Starts everything it needs with its own data in <data dir>/demo, apart from any running server; or uses the
stores of EVENTSTORE_URL, DATABASE_URL and REDIS_URL. Exit code 1 unless every task completed once and the log verifies.\n`,
    )
    .action((options: Options) => demo(terminal, options));
};
