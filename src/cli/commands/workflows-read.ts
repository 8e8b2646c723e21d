import {
  type ExecutionDetailsFragment,
  type ExecutionRowFragment,
  ExplainExecution,
  type ExplainExecutionQuery,
  GetExecution,
  ListExecutions,
  PreviewCompensation,
  type PreviewCompensationQuery,
  type StepRowFragment,
} from 'baton-client';
import { type Command, Option } from 'commander';
import { SHOWN_PAYLOAD_BYTES } from '../../domain/execution/steps.ts';
import { COMPENSATION_STRATEGIES, type CompensationStrategy } from '../../domain/workflow/definition.ts';
import { STARTED_STATUSES, type StartedStatus } from '../../projections/executions/table.ts';
import { decisionText } from '../../wording/execution-events.ts';
import { numberOf } from '../../wording/sentences.ts';
import type { Client } from '../client.ts';
import { type ServerOptions, serverOptions, withClient } from '../connection.ts';
import { type Column, duration, facts, oneLine, status, table } from '../format.ts';
import { type Freshness, freshness } from '../freshness.ts';
import { type ListOptions, type ListView, listOptions, showList } from '../list.ts';
import * as parse from '../parse.ts';
import { print } from '../print.ts';
import { examples } from '../program.ts';
import type { Terminal } from '../terminal.ts';
import { errorText, foundExecution, tookText } from '../workflows/execution.ts';

const compact = (value: unknown): string | undefined =>
  value === null || value === undefined ? undefined : oneLine(JSON.stringify(value), 2_000);

const countText = ({ stepsTotal, stepsCompleted, stepsFailed, stepsSkipped }: ExecutionRowFragment): string =>
  [
    `${stepsCompleted} of ${stepsTotal} completed`,
    ...(stepsFailed > 0 ? [`${stepsFailed} failed`] : []),
    ...(stepsSkipped > 0 ? [`${stepsSkipped} skipped`] : []),
  ].join(', ');

const STEP_COLUMNS: readonly Column[] = [
  { title: 'STEP' },
  { title: 'STATE' },
  { title: 'ATTEMPTS', align: 'right' },
  { title: 'AGENT' },
  { title: 'STARTED' },
  { title: 'TOOK', align: 'right' },
  { title: 'NOTE' },
];

const noteOf = ({ error, items, decision, reused, childExecutionId, undo }: StepRowFragment): string =>
  [
    ...(items === null ? [] : [`${items.completed} of ${numberOf(items.total, 'item')}`]),
    ...(decision === null ? [] : [oneLine(decisionText({ ...decision, comment: decision.comment ?? undefined }), 200)]),
    ...(reused ? ['taken over'] : []),
    ...(childExecutionId === null ? [] : [`execution ${childExecutionId}`]),
    ...(undo === null || undo === 'DEFINED' ? [] : [`compensation ${undo.toLowerCase().replaceAll('_', ' ')}`]),
    ...(error === null ? [] : [errorText(error)]),
  ].join('; ');

const stepRow = (step: StepRowFragment, colour: boolean): string[] => [
  step.id,
  status(step.state.toLowerCase(), colour),
  step.attempts === 0 ? '' : String(step.attempts),
  step.agentId ?? '',
  step.startedAt ?? '',
  tookText(step.startedAt, step.endedAt),
  noteOf(step),
];

const timeText = ({ durationMs, agentMs, waitMs, overheadMs }: ExecutionDetailsFragment['timeSpent']): string =>
  `${duration(durationMs)}: agents ${duration(agentMs)}, waiting ${duration(waitMs)}, the rest ${duration(overheadMs)}`;

const statusText = (execution: ExecutionDetailsFragment, colour: boolean): string => {
  const { compensationDebts: debts, error } = execution;
  const paused =
    execution.pausedAt === null
      ? undefined
      : `since ${execution.pausedAt}  ${oneLine(execution.pauseReason ?? '', 300)}`;
  const aborted = execution.abortReason?.toLowerCase().replaceAll('_', ' ');
  return [
    facts([
      ['id', execution.id],
      ['workflow', `${execution.workflow}@${execution.version}`],
      ['status', status(execution.status.toLowerCase(), colour)],
      ['level', execution.currentPhase ?? undefined],
      ['steps', countText(execution)],
      ['started', execution.startedAt],
      ['ended', execution.endedAt ?? undefined],
      ['deadline', execution.deadlineAt ?? undefined],
      ['paused', paused],
      ['time spent', timeText(execution.timeSpent)],
      ['cause', aborted],
      ['reason', execution.cancelReason === null ? undefined : oneLine(execution.cancelReason, 300)],
      ['part of', execution.parent === null ? undefined : `${execution.parent.id}, step ${execution.parentStep}`],
      [
        'forked from',
        execution.forkedFrom === null
          ? undefined
          : `${execution.forkedFrom.id} at revision ${execution.forkedRevision}`,
      ],
      ['tags', execution.tags.length === 0 ? undefined : execution.tags.map((tag) => oneLine(tag)).join(', ')],
      ['error', error === null ? undefined : errorText(error)],
      ['input', compact(execution.input)],
      ['output', compact(execution.output)],
    ]),
    '\n',
    table(
      STEP_COLUMNS,
      execution.steps.map((step) => stepRow(step, colour)),
    ),
    debts.length === 0
      ? ''
      : `\n${table(
          [{ title: 'COMPENSATES' }, { title: 'STATUS' }, { title: 'WITH' }, { title: 'ERROR' }],
          debts.map((debt) => [
            debt.unit,
            status(debt.status.toLowerCase(), colour),
            oneLine(debt.handedOverTo ?? '', 60),
            debt.error === null ? '' : errorText(debt.error),
          ]),
        )}`,
  ].join('');
};

type ReadOptions = ServerOptions & Freshness;

/** Prints the present state of an execution. */
export const printExecution = async (
  terminal: Terminal,
  client: Client,
  id: string,
  { json, atLeast }: { readonly json?: boolean | undefined; readonly atLeast?: string | undefined },
): Promise<void> => {
  const execution = foundExecution(
    id,
    await client.execute(GetExecution, { id, atLeast, payloads: json ?? false, maxBytes: SHOWN_PAYLOAD_BYTES }),
  );
  print(terminal, json, execution, () => statusText(execution, terminal.colour));
};

type ListFilter = ServerOptions &
  ListOptions & {
    readonly workflow?: string;
    readonly version?: string;
    readonly status?: readonly StartedStatus[];
    readonly tag?: readonly string[];
    readonly parent?: string;
    readonly forkedFrom?: string;
    readonly text?: string;
    readonly since?: string;
    readonly until?: string;
  };

const MAX_ERROR = 60;

const EXECUTIONS: ListView<ExecutionRowFragment> = {
  word: 'executions',
  columns: [
    { title: 'ID' },
    { title: 'WORKFLOW' },
    { title: 'STATUS' },
    { title: 'STEPS', align: 'right' },
    { title: 'STARTED' },
    { title: 'TOOK', align: 'right' },
    { title: 'ERROR' },
  ],
  rowOf: (row, colour) => [
    row.id,
    `${row.workflow}@${row.version}`,
    status(row.status.toLowerCase(), colour),
    `${row.stepsCompleted}/${row.stepsTotal}`,
    row.startedAt,
    tookText(row.startedAt, row.endedAt),
    row.error === null ? '' : oneLine(errorText(row.error), MAX_ERROR),
  ],
};

const list = (terminal: Terminal, options: ListFilter): Promise<void> => {
  const { workflow, version, text, forkedFrom } = options;
  const filter = {
    workflow,
    version,
    statuses: options.status?.map(parse.upperCase),
    tags: options.tag,
    parentExecutionId: options.parent,
    forkedFrom,
    text,
    startedFrom: options.since,
    startedTo: options.until,
  };
  return showList(terminal, options, ListExecutions, filter, EXECUTIONS);
};

type Explained = NonNullable<ExplainExecutionQuery['execution']>;

const whyText = ({ status: state, whyNotRunning }: Explained): string => {
  if (whyNotRunning.length === 0) return `nothing is waiting; the execution is ${state.toLowerCase()}\n`;
  return table(
    [{ title: 'STEP' }, { title: 'REASON' }, { title: 'WHY' }],
    whyNotRunning.map(({ unit, reason, message, options }) => [
      unit,
      reason.toLowerCase().replaceAll('_', ' '),
      `${oneLine(message, 300)}${options.length === 0 ? '' : ` (${options.map((option) => oneLine(option)).join(', ')})`}`,
    ]),
  );
};

const why = async (terminal: Terminal, id: string, { atLeast, ...options }: ReadOptions): Promise<void> => {
  const answer = await withClient(terminal, options, (client) => client.execute(ExplainExecution, { id, atLeast }));
  const execution = foundExecution(id, answer);
  print(terminal, options.json, execution, () => whyText(execution));
};

type Preview = NonNullable<PreviewCompensationQuery['execution']>['previewCompensation'];

const previewText = ({ strategy, message, undos }: Preview): string => {
  const head = facts([
    ['strategy', strategy.toLowerCase()],
    ['compensation', message],
  ]);
  if (undos.length === 0) return head;
  const rows = undos.map(({ unit, after }, index) => [String(index + 1), unit, oneLine(after.join(', '), 100)]);
  return `${head}\n${table([{ title: '', align: 'right' }, { title: 'COMPENSATES' }, { title: 'AFTER' }], rows)}`;
};

type PreviewOptions = ReadOptions & { readonly strategy?: CompensationStrategy };

const preview = async (terminal: Terminal, id: string, { atLeast, ...options }: PreviewOptions): Promise<void> => {
  const strategy = options.strategy && parse.upperCase(options.strategy);
  const answer = await withClient(terminal, options, (client) =>
    client.execute(PreviewCompensation, { id, atLeast, strategy }),
  );
  const { previewCompensation: planned } = foundExecution(id, answer);
  print(terminal, options.json, planned, () => previewText(planned));
};

export const addExecutionReads = (workflows: Command, terminal: Terminal): void => {
  const read = (name: string, description: string, ...more: string[]): Command =>
    serverOptions(
      freshness(workflows.command(name).description(description).argument('<id>', 'id of the execution')),
    ).addHelpText('after', examples(`baton workflows ${name} 0190b5a4-5b9e-5cc1-8a52-3c6f6c9f0d11`, ...more));
  read('status', 'Show an execution: its steps, where the time went, which compensations are open.').action(
    (id: string, options: ReadOptions) =>
      withClient(terminal, options, (client) => printExecution(terminal, client, id, options)),
  );
  read('why', 'Explain why steps do not run: what each waits for, and who can resolve it.').action(
    (id: string, options: ReadOptions) => why(terminal, id, options),
  );
  read(
    'preview',
    'Show which compensations an abort would run now, and in which order.',
    'baton workflows preview 0190b5a4-5b9e-5cc1-8a52-3c6f6c9f0d11 --strategy cascade',
  )
    .addOption(new Option('--strategy <name>', "default: the definition's").choices(COMPENSATION_STRATEGIES))
    .action((id: string, options: PreviewOptions) => preview(terminal, id, options));
  serverOptions(
    listOptions(
      workflows
        .command('executions')
        .description('List executions, newest first.')
        .option('--workflow <name>', 'name of the workflow')
        .option('--version <version>', 'version of the workflow')
        .addOption(parse.choicesOption('--status <status>', 'status to include (repeatable)', STARTED_STATUSES))
        .option('--tag <text>', 'tag the execution must have (repeatable)', parse.collect(String))
        .option('--parent <id>', 'sub-workflows of this execution')
        .option('--forked-from <id>', 'forks of this execution')
        .option('--text <text>', "text in the workflow's name, a tag or the error message")
        .option('--since <when>', 'started at or after: an instant, or how long ago, such as 1h', parse.instantOrAgo)
        .option('--until <when>', 'started before: an instant, or how long ago', parse.instantOrAgo),
    ),
  )
    .addHelpText(
      'after',
      examples(
        'baton workflows executions --status failed --status compensation_failed',
        'baton workflows executions --workflow order --since 2026-07-01T00:00:00Z --json',
      ),
    )
    .action((options: ListFilter) => list(terminal, options));
};
