import type { Command } from 'commander';
import { Option } from 'commander';
import { numberOf } from '../../wording/sentences.ts';
import { Ended, EXIT } from '../failure.ts';
import * as parse from '../parse.ts';
import { print } from '../print.ts';
import { examples } from '../program.ts';
import { progressBar } from '../progress.ts';
import { StopRequest } from '../stop-request.ts';
import type { Terminal } from '../terminal.ts';
import { comparisonText } from '../workflows/simulation/comparison-text.ts';
import { readWorkflow } from '../workflows/workflow-file.ts';

const MOST_AGENTS = 10_000;
const FASTEST = 1_000_000;
const REDRAW_MS = 100;

type Options = { readonly speedup: number; readonly agents?: number; readonly json?: boolean };

const perform = async (terminal: Terminal, file: string, options: Options, signal: AbortSignal) => {
  const { workflow, recording } = await readWorkflow(terminal, file);
  const [{ withSimulator }, { modelOf }, { compare }] = await Promise.all([
    import('../workflows/simulation/run-simulation.ts'), // loads the server
    import('../workflows/simulation/model.ts'),
    import('../workflows/simulation/compare.ts'),
  ]);
  const { speedup } = options;
  const model = modelOf(workflow, recording, { speedup, agents: options.agents });
  const say = (line: string): void => (options.json === true ? undefined : terminal.err(`${line}\n`));
  say('starting an event store, Postgres and Redis in a temporary folder …');
  return withSimulator({ env: terminal.env, agents: model.agents, signal }, async (simulator) => {
    say(`running ${numberOf(workflow.plan.size, 'task')} at ${speedup}× …`);
    const bar = progressBar(terminal, 'tasks', workflow.plan.size);
    let ended = 0;
    const drawing = setInterval(() => bar.update(ended), REDRAW_MS);
    const onEnd = (): void => {
      ended += 1;
    };
    const run = await simulator.run(model, { speedup, onEnd }).finally(() => {
      clearInterval(drawing);
      bar.stop();
    });
    return compare({ workflow, recording, model, speedup }, run);
  });
};

const simulate = async (terminal: Terminal, file: string, options: Options): Promise<void> => {
  const stop = new StopRequest();
  try {
    const comparison = await perform(terminal, file, options, stop.signal);
    print(terminal, options.json, comparison, () => comparisonText(comparison));
    if (comparison.status !== 'completed' || comparison.violations.length > 0) throw new Ended(EXIT.failed);
  } catch (error) {
    if (stop.requested) throw new Ended(EXIT.interrupted);
    throw error;
  }
};

export const addSimulate = (workflows: Command, terminal: Terminal): void => {
  workflows
    .command('simulate')
    .description('Run a graph through the real system with agents that only sleep, and compare it with the recording.')
    .argument('<file>', 'a definition, or a WfFormat 1.5 instance; - is stdin')
    .addOption(
      new Option('--speedup <n>', 'how much faster than recorded')
        .argParser(parse.number(0.001, FASTEST))
        .default(1_000),
    )
    .option(
      '--agents <n>',
      'concurrent calls (default: the width of the graph, at least the recorded cores)',
      parse.integer(1, MOST_AGENTS),
    )
    .option('--json', 'print exactly one JSON value')
    .addHelpText(
      'after',
      `${examples('baton workflows simulate montage.json', 'baton workflows simulate order.yaml --speedup 10 --agents 4', 'baton workflows simulate montage.json --speedup 100 --json')}
Starts its own Baton with durable settings in a temporary folder and removes it afterwards; no running server is
touched. One local agent takes that many concurrent calls. Of a definition, only the graph and the durations count (input.runtimeMs,
else estimateMs or delayMs, else 1 s): conditions, lists and expressions are not evaluated; waits and sub-workflows become calls.
Exit code 1 unless it completed and its log shows that every task ran once, after everything it depends on.

Timers fire late, and none is shorter than a millisecond: at a high speedup, this dominates the measurement. It is reported
separately; the overhead is the time beyond the durations that the calls really had.\n`,
    )
    .action((file: string, options: Options) => simulate(terminal, file, options));
};
