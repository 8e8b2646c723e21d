import {
  type ErrorFactsFragment,
  ExplainTask,
  type ExplainTaskQuery,
  GetTask,
  GetTaskTimeline,
  ListTasks,
  type TaskDetailsFragment,
  type TaskRowFragment,
} from 'baton-client';
import type { Command } from 'commander';
import { TASK_STATUSES, type TaskStatus } from '../../projections/tasks/table.ts';
import { endReasonText } from '../../wording/given-up.ts';
import { numberOf, words } from '../../wording/sentences.ts';
import type { Client } from '../client.ts';
import { type ServerOptions, serverOptions, withClient } from '../connection.ts';
import { refused } from '../failure.ts';
import { duration, facts, oneLine, status, table } from '../format.ts';
import { type Freshness, freshness } from '../freshness.ts';
import { type ListOptions, type ListView, listOptions, showList, warnIfBehind } from '../list.ts';
import * as parse from '../parse.ts';
import { print } from '../print.ts';
import { examples } from '../program.ts';
import { ruleText } from '../rule-text.ts';
import type { Terminal } from '../terminal.ts';

export const errorLine = ({ code, message }: ErrorFactsFragment): string => `${code}: ${oneLine(message, 300)}`;

const elapsed = ({ submittedAt, endedAt }: Pick<TaskRowFragment, 'submittedAt' | 'endedAt'>): string =>
  endedAt === null ? '' : duration(Date.parse(endedAt) - Date.parse(submittedAt));

const TASKS: ListView<TaskRowFragment> = {
  word: 'tasks',
  columns: [
    { title: 'ID' },
    { title: 'STATUS' },
    { title: 'CAPABILITY' },
    { title: 'PRIO', align: 'right' },
    { title: 'ATTEMPT', align: 'right' },
    { title: 'AGENT' },
    { title: 'SUBMITTED' },
    { title: 'TOOK', align: 'right' },
  ],
  rowOf: (task, colour) => [
    task.id,
    status(task.status.toLowerCase(), colour),
    task.capability,
    String(task.priority),
    String(task.attempt),
    task.agentId ?? '',
    task.submittedAt,
    elapsed(task),
  ],
};

type ListFilter = ServerOptions &
  ListOptions & {
    readonly status?: readonly TaskStatus[];
    readonly capability?: string;
    readonly pool?: string;
    readonly agent?: string;
    readonly execution?: string;
    readonly tag?: readonly string[];
    readonly priority?: readonly number[];
    readonly text?: string;
    readonly since?: string;
    readonly until?: string;
  };

const list = async (terminal: Terminal, options: ListFilter): Promise<void> => {
  const filter = {
    statuses: options.status?.map(parse.upperCase),
    capability: options.capability,
    pool: options.pool,
    agentId: options.agent,
    executionId: options.execution,
    tags: options.tag,
    priorities: options.priority,
    text: options.text,
    submittedFrom: options.since,
    submittedTo: options.until,
  };
  await showList(terminal, options, ListTasks, filter, TASKS);
  await warnIfBehind(terminal, options, 'tasks');
};

type Found<Subject> = { readonly task: Subject | null };

/** The task of an answer. Errors: `Failure` NOT_FOUND. */
export const foundTask = <Task>(id: string, { task }: Found<Task>): Task => {
  if (task === null) throw refused('NOT_FOUND', `task ${JSON.stringify(id)} does not exist`);
  return task;
};

const moneyLine = (cost: TaskDetailsFragment['cost']): string | undefined =>
  cost.length === 0
    ? undefined
    : cost.map(({ currency, micros }) => `${(micros / 1_000_000).toFixed(6)} ${currency}`).join(', ');

const optional = (text: string | number | null): string | undefined => (text === null ? undefined : String(text));

const compact = (value: unknown): string | undefined =>
  value === null || value === undefined ? undefined : oneLine(JSON.stringify(value), 2_000);

const describeTask = (task: TaskDetailsFragment, colour: boolean): string =>
  facts([
    ['id', task.id],
    ['status', status(task.status.toLowerCase(), colour)],
    ['capability', task.versionRange === null ? task.capability : `${task.capability} ${task.versionRange}`],
    ['pool', task.pool],
    ['priority', String(task.priority)],
    ['routed by', task.rule === null ? undefined : ruleText(task.rule)],
    ['attempt', String(task.attempt)],
    ['failures', task.failures === 0 ? undefined : String(task.failures)],
    ['redrives', task.redrives === 0 ? undefined : String(task.redrives)],
    ['agent', optional(task.agentId)],
    ['submitted', task.submittedAt],
    ['ended', task.endedAt === null ? undefined : `${task.endedAt} (${elapsed(task)})`],
    ['complexity', optional(task.complexity)],
    ['depends on', task.dependsOn.length === 0 ? undefined : task.dependsOn.join(', ')],
    ['deadline', optional(task.deadlineAt)],
    ['next try', optional(task.retryAt)],
    ['progress', task.percent === null ? optional(task.progressMessage) : `${task.percent} %`],
    ['tags', task.tags.length === 0 ? undefined : task.tags.map((tag) => oneLine(tag)).join(', ')],
    ['cost', moneyLine(task.cost)],
    ['given up', endReasonText(task.deadLetterReason)],
    ['last error', task.error === null ? undefined : errorLine(task.error)],
    ['input', compact(task.input)],
    ['result', compact(task.result)],
  ]);

type ReadOptions = ServerOptions & Freshness;

/** Prints a task as it is now, or as it was at its end. */
export const printTask = async (
  terminal: Terminal,
  client: Client,
  id: string,
  { json, atLeast }: { readonly json?: boolean | undefined; readonly atLeast?: string | undefined },
): Promise<void> => {
  const task = foundTask(id, await client.execute(GetTask, { id, atLeast }));
  print(terminal, json, task, () => describeTask(task, terminal.colour));
};

const timeline = async (terminal: Terminal, id: string, { atLeast, ...options }: ReadOptions): Promise<void> => {
  const answer = await withClient(terminal, options, (client) => client.execute(GetTaskTimeline, { id, atLeast }));
  const { timeline: entries } = foundTask(id, answer);
  print(terminal, options.json, entries, () =>
    table(
      [{ title: 'AT' }, { title: 'EVENT' }, { title: 'WHAT' }],
      entries.map(({ at, type, summary }) => [at, type, oneLine(summary, 300)]),
    ),
  );
};

type Explained = NonNullable<ExplainTaskQuery['task']>;
type Decision = Explained['why']['decisions'][number];

const decisionText = (decision: Decision): string => {
  const { attempt, agentId, at, strategy, strategyVersion, eligible, candidates, excluded, waitedMs, overflow, rule } =
    decision;
  const best = candidates.map((candidate) => {
    const { agentId: id, score, open, terms } = candidate;
    const made = terms.map(({ name, value }) => `${name} ${value}`).join(', ');
    const of = terms.length > 1 ? ` (${made})` : '';
    return `  ${id === agentId ? '→' : ' '} ${id}  score ${score}${of}, ${numberOf(open, 'open attempt')}\n`;
  });
  return [
    `attempt ${attempt} to ${agentId} at ${at}\n`,
    `  by ${strategy} (version ${strategyVersion}) among ${numberOf(eligible, 'eligible agent')}, after waiting ${duration(waitedMs)}\n`,
    ...(rule === null ? [] : [`  routed by ${ruleText(rule)}\n`]),
    // One alone is named above.
    ...(best.length === 1 ? [] : best),
    ...(overflow === null ? [] : [`  in place of ${overflow}, to which its key belongs\n`]),
    ...(excluded.length === 0 ? [] : [`  left out: ${excluded.map(({ message }) => message).join(', ')}\n`]),
  ].join('');
};

type GivenUp = NonNullable<Explained['why']['givenUp']>;

const lastFailureText = ({ attempt, agentId, error }: NonNullable<GivenUp['lastFailure']>): string =>
  `${error === null ? 'unknown' : errorLine(error)} (attempt ${attempt}${agentId === null ? '' : `, ${agentId}`})`;

/** The command that the advice is about. */
const nextCommand = ({ id, executionId, unit }: Explained): string =>
  executionId === null
    ? `baton dlq redrive ${id}`
    : `baton workflows ${unit?.startsWith('~') === true ? 'debts --execution' : 'why'} ${executionId}`;

const givenUpText = (task: Explained, { message, advice, attempts, lastFailure }: GivenUp): string =>
  facts([
    [
      task.status === 'INDETERMINATE' ? 'stopped' : 'given up',
      `${task.endedAt ?? ''}${attempts === 0 ? '' : ` after ${numberOf(attempts, 'attempt')}`}`,
    ],
    ['because', message],
    ['last failure', lastFailure === null ? undefined : lastFailureText(lastFailure)],
    ['what to do', advice],
    ['', nextCommand(task)],
  ]);

const waitingText = ({ obstacle, since, message, unblock, until }: NonNullable<Explained['why']['waiting']>): string =>
  [
    `waiting since ${since}: ${message}\n`,
    `  kind of obstacle: ${words(obstacle.toLowerCase())}${until === null ? '' : `, until ${until}`}\n`,
    `  to unblock it: ${unblock}\n`,
  ].join('');

const whyText = (task: Explained): string => {
  const { decisions, waiting, givenUp } = task.why;
  return [
    ...(waiting === null ? [] : [waitingText(waiting)]),
    ...(givenUp === null ? [] : [givenUpText(task, givenUp), '\n']),
    ...(task.rule === null || decisions.length > 0 ? [] : [`routed by ${ruleText(task.rule)}\n`]),
    ...decisions.map(decisionText),
    ...(decisions.length === 0 && waiting === null
      ? [`no agent was ever assigned${givenUp === null ? `; the task is ${words(task.status.toLowerCase())}` : ''}\n`]
      : []),
  ].join('');
};

const why = async (terminal: Terminal, id: string, { atLeast, ...options }: ReadOptions): Promise<void> => {
  const task = foundTask(
    id,
    await withClient(terminal, options, (client) => client.execute(ExplainTask, { id, atLeast })),
  );
  print(terminal, options.json, task, () => whyText(task));
};

export const addTaskReads = (tasks: Command, terminal: Terminal): void => {
  serverOptions(
    listOptions(
      tasks
        .command('list')
        .description('List tasks, newest first.')
        .addOption(parse.choicesOption('--status <status>', 'status to include (repeatable)', TASK_STATUSES))
        .option('--capability <name>', 'capability the task requires')
        .option('--pool <name>', 'pool of agents')
        .option('--agent <id>', 'agent that runs or ended the task')
        .option('--execution <id>', 'execution that the task belongs to')
        .option('--tag <text>', 'tag the task must have (repeatable)', parse.collect(String))
        .option('--priority <n>', 'priority to include (repeatable)', parse.collect(parse.integer(1, 5)))
        .option('--text <text>', 'text in the capability, agent, a tag or the error message')
        .option('--since <when>', 'submitted at or after: an instant, or how long ago, such as 1h', parse.instantOrAgo)
        .option('--until <when>', 'submitted before: an instant, or how long ago', parse.instantOrAgo),
    ),
  )
    .addHelpText(
      'after',
      examples(
        'baton tasks list --status dead_lettered --status indeterminate',
        'baton tasks list --capability carbon.footprint --since 2026-07-01T00:00:00Z --json',
        'baton tasks list --execution 0190b5a4-5b9e-5cc1-8a52-3c6f6c9f0d11 --since 1h',
      ),
    )
    .action((options: ListFilter) => list(terminal, options));
  const read = (name: string, description: string): Command =>
    serverOptions(freshness(tasks.command(name).description(description).argument('<id>'))).addHelpText(
      'after',
      examples(`baton tasks ${name} 0190b5a4-5b9e-7cc1-8a52-3c6f6c9f0d11`),
    );
  read('get', 'Show a task with its input and result.').action((id: string, options: ReadOptions) =>
    withClient(terminal, options, (client) => printTask(terminal, client, id, options)),
  );
  read('timeline', 'Show the events of a task in order.').action((id: string, options: ReadOptions) =>
    timeline(terminal, id, options),
  );
  read('why', 'Explain the state of a task: why it waits or was given up, and the recorded routing decisions.').action(
    (id: string, options: ReadOptions) => why(terminal, id, options),
  );
};
