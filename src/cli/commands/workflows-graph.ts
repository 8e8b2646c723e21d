import { existsSync } from 'node:fs';
import { GetExecutionGraph, GetWorkflowDefinition } from 'baton-client';
import { type Command, Option } from 'commander';
import { ExecutionId } from '../../domain/ids.ts';
import type { Workflow } from '../../domain/workflow/compile.ts';
import { type ServerOptions, serverOptions, withClient } from '../connection.ts';
import { refused, usageFailure } from '../failure.ts';
import { type Freshness, freshness } from '../freshness.ts';
import { examples } from '../program.ts';
import type { Terminal } from '../terminal.ts';
import { drawDot } from '../workflows/draw-dot.ts';
import { drawMermaid } from '../workflows/draw-mermaid.ts';
import { foundExecution } from '../workflows/execution.ts';
import { type GraphView, graphView } from '../workflows/graph-view.ts';
import { readWorkflow, validDefinition } from '../workflows/workflow-file.ts';

const FORMATS = { mermaid: drawMermaid, dot: drawDot } as const;

type Options = ServerOptions & Freshness & { readonly format: keyof typeof FORMATS; readonly version?: string };

const compiled = (name: string, definition: unknown): Workflow => validDefinition({ name }, definition).workflow;

const ofExecution = async (terminal: Terminal, id: string, options: Options): Promise<GraphView> => {
  if (options.version !== undefined) throw usageFailure('--version goes with the name of a workflow');
  const { atLeast } = options;
  const answer = await withClient(terminal, options, (client) => client.execute(GetExecutionGraph, { id, atLeast }));
  const execution = foundExecution(id, answer);
  if (execution.definition === null)
    throw refused(
      'NOT_FOUND',
      `the definition of execution ${id} is not in the read model yet`,
      'try again in a moment',
    );
  const workflow = compiled(id, execution.definition.definition);
  const { name, version } = workflow.definition;
  const states = {
    steps: new Map(execution.steps.map((step) => [step.id, step.state.toLowerCase()])),
    undos: new Map(
      execution.steps.flatMap((step) =>
        step.undo === null || step.undo === 'DEFINED' ? [] : [[step.id, step.undo.toLowerCase()] as const],
      ),
    ),
  };
  return graphView(workflow, states, `${name}@${version}, execution ${execution.id}`);
};

const ofWorkflow = async (terminal: Terminal, name: string, options: Options): Promise<GraphView> => {
  const { version, atLeast } = options;
  const { workflow } = await withClient(terminal, options, (client) =>
    client.execute(GetWorkflowDefinition, { name, version, atLeast }),
  );
  if (workflow === null)
    throw refused(
      'NOT_FOUND',
      `no file, execution or workflow is called ${JSON.stringify(name)}${version === undefined ? '' : `, version ${version}`}`,
    );
  return graphView(compiled(name, workflow.definition));
};

const looksLikeFile = (text: string): boolean => text === '-' || /[./\\]/.test(text) || existsSync(text);

const viewOf = async (terminal: Terminal, what: string, options: Options): Promise<GraphView> => {
  if (ExecutionId.safeParse(what).success) return ofExecution(terminal, what, options);
  if (options.version === undefined && looksLikeFile(what))
    return graphView((await readWorkflow(terminal, what)).workflow);
  return ofWorkflow(terminal, what, options);
};

const draw = async (terminal: Terminal, what: string, options: Options): Promise<void> => {
  const text = FORMATS[options.format](await viewOf(terminal, what, options));
  terminal.out(options.json === true ? `${JSON.stringify({ format: options.format, text })}\n` : text);
};

export const addGraph = (workflows: Command, terminal: Terminal): void => {
  serverOptions(
    freshness(
      workflows
        .command('graph')
        .description('Draw a workflow, or an execution with the states of its steps, as Mermaid or DOT.')
        .argument(
          '<what>',
          'a file (definition or WfFormat instance; - is stdin), the id of an execution, or the name of a workflow',
        )
        .addOption(new Option('--format <format>', 'what to print').choices(Object.keys(FORMATS)).default('mermaid'))
        .option('--version <version>', 'version of the workflow; default: the one a new execution uses'),
    ),
  )
    .addHelpText(
      'after',
      `${examples('baton workflows graph order.yaml', 'baton workflows graph order --version 1.0.0 --format dot | dot -Tsvg > order.svg', 'baton workflows graph 0190b5a4-5b9e-5cc1-8a52-3c6f6c9f0d11')}
Dotted lines lead to the compensation of a step; colours show states. A file needs no server.\n`,
    )
    .action((what: string, options: Options) => draw(terminal, what, options));
};
