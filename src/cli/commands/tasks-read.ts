import { type Command, Option } from 'commander';
import { TASK_STATUSES } from '../../projections/tasks/table.ts';
import type { Client } from '../client.ts';
import { type ServerOptions, serverOptions, withClient } from '../connection.ts';
import { refused } from '../failure.ts';
import { type Column, duration, facts, oneLine, status, table } from '../format.ts';
import { type Freshness, freshness } from '../freshness.ts';
import { type ListOptions, listOptions, readList, remainder } from '../list.ts';
import * as parse from '../parse.ts';
import { print } from '../print.ts';
import { examples } from '../program.ts';
import type { Terminal } from '../terminal.ts';

type AttemptError = { readonly code: string; readonly message: string; readonly source: string };

type TaskRow = {
  readonly id: string;
  readonly status: string;
  readonly capability: string;
  readonly priority: number;
  readonly attempt: number;
  readonly agentId: string | null;
  readonly submittedAt: string;
  readonly endedAt: string | null;
};

const ROW = 'id status capability pool priority attempt agentId submittedAt endedAt tags';

export const errorLine = ({ code, message }: AttemptError): string => `${code}: ${oneLine(message, 300)}`;

const elapsed = ({ submittedAt, endedAt }: Pick<TaskRow, 'submittedAt' | 'endedAt'>): string =>
  endedAt === null ? '' : duration(Date.parse(endedAt) - Date.parse(submittedAt));

const COLUMNS: readonly Column[] = [
  { title: 'ID' },
  { title: 'STATUS' },
  { title: 'CAPABILITY' },
  { title: 'PRIO', align: 'right' },
  { title: 'ATTEMPT', align: 'right' },
  { title: 'AGENT' },
  { title: 'SUBMITTED' },
  { title: 'TOOK', align: 'right' },
];

const rowOf = (task: TaskRow, colour: boolean): string[] => [
  task.id,
  status(task.status.toLowerCase(), colour),
  task.capability,
  String(task.priority),
  String(task.attempt),
  task.agentId ?? '',
  task.submittedAt,
  elapsed(task),
];

type ListFilter = ServerOptions &
  ListOptions & {
    readonly status?: readonly string[];
    readonly capability?: string;
    readonly pool?: string;
    readonly agent?: string;
    readonly tag?: readonly string[];
    readonly priority?: readonly number[];
    readonly text?: string;
    readonly since?: string;
    readonly until?: string;
  };

const list = async (terminal: Terminal, options: ListFilter): Promise<void> => {
  const filter = {
    statuses: options.status?.map((name) => name.toUpperCase()),
    capability: options.capability,
    pool: options.pool,
    agentId: options.agent,
    tags: options.tag,
    priorities: options.priority,
    text: options.text,
    submittedFrom: options.since,
    submittedTo: options.until,
  };
  const query = { field: 'tasks', filterType: 'TaskFilter', selection: ROW };
  const found = await withClient(terminal, options, (client) => readList<TaskRow>(client, query, filter, options));
  print(terminal, options.json, found, () => {
    const rows = found.items.map((task) => rowOf(task, terminal.colour));
    return `${rows.length === 0 ? '' : table(COLUMNS, rows)}${remainder(found, 'tasks')}`;
  });
};

/** One task with the selected fields. Errors: `Failure` NOT_FOUND. */
export const readTask = async <Task>(
  client: Client,
  id: string,
  selection: string,
  atLeast?: string,
): Promise<Task> => {
  const document = `query ($id: ID!, $atLeast: Position) { task(id: $id, atLeast: $atLeast) { ${selection} } }`;
  const { task } = await client.execute<{ task: Task | null }>(document, { id, atLeast });
  if (task === null) throw refused('NOT_FOUND', `task ${JSON.stringify(id)} does not exist`);
  return task;
};

type Money = { readonly currency: string; readonly micros: number };

type Task = TaskRow & {
  readonly pool: string;
  readonly versionRange: string | null;
  readonly strategy: string;
  readonly timeoutMs: number;
  readonly tags: readonly string[];
  readonly failures: number;
  readonly redrives: number;
  readonly deadlineAt: string | null;
  readonly retryAt: string | null;
  readonly percent: number | null;
  readonly progressMessage: string | null;
  readonly error: AttemptError | null;
  readonly cost: readonly Money[];
  readonly deadLetterReason: string | null;
  readonly input: unknown;
  readonly result: unknown;
};

const TASK = `${ROW} versionRange strategy retry { kind maxAttempts baseMs factor maxDelayMs jitter } timeoutMs failures redrives
  deadlineAt retryAt assignedAt expiresAt durationMs percent progressMessage error { code message source retryable }
  cost { currency micros } cancelReason deadLetterReason actor correlationId position input result checkpoint`;

const moneyLine = (cost: readonly Money[]): string | undefined =>
  cost.length === 0
    ? undefined
    : cost.map(({ currency, micros }) => `${(micros / 1_000_000).toFixed(6)} ${currency}`).join(', ');

const optional = (text: string | number | null): string | undefined => (text === null ? undefined : String(text));

const compact = (value: unknown): string | undefined =>
  value === null || value === undefined ? undefined : oneLine(JSON.stringify(value), 2_000);

const describeTask = (task: Task, colour: boolean): string =>
  facts([
    ['id', task.id],
    ['status', status(task.status.toLowerCase(), colour)],
    ['capability', task.versionRange === null ? task.capability : `${task.capability} ${task.versionRange}`],
    ['pool', task.pool],
    ['priority', String(task.priority)],
    ['attempt', String(task.attempt)],
    ['failures', task.failures === 0 ? undefined : String(task.failures)],
    ['redrives', task.redrives === 0 ? undefined : String(task.redrives)],
    ['agent', optional(task.agentId)],
    ['submitted', task.submittedAt],
    ['ended', task.endedAt === null ? undefined : `${task.endedAt} (${elapsed(task)})`],
    ['deadline', optional(task.deadlineAt)],
    ['next try', optional(task.retryAt)],
    ['progress', task.percent === null ? optional(task.progressMessage) : `${task.percent} %`],
    ['tags', task.tags.length === 0 ? undefined : task.tags.map((tag) => oneLine(tag)).join(', ')],
    ['cost', moneyLine(task.cost)],
    ['given up', optional(task.deadLetterReason)],
    ['last error', task.error === null ? undefined : errorLine(task.error)],
    ['input', compact(task.input)],
    ['result', compact(task.result)],
  ]);

type ReadOptions = ServerOptions & Freshness;

const get = async (terminal: Terminal, id: string, options: ReadOptions): Promise<void> => {
  const task = await withClient(terminal, options, (client) => readTask<Task>(client, id, TASK, options.atLeast));
  print(terminal, options.json, task, () => describeTask(task, terminal.colour));
};

/** Prints a task as it was at its end. */
export const printTask = async (
  terminal: Terminal,
  client: Client,
  id: string,
  { json, atLeast }: { readonly json: boolean | undefined; readonly atLeast: string },
): Promise<void> => {
  const task = await readTask<Task>(client, id, TASK, atLeast);
  print(terminal, json, task, () => describeTask(task, terminal.colour));
};

export type Entry = { readonly position: string; readonly type: string; readonly at: string; readonly summary: string };

export const ENTRY = 'position type at attempt agentId summary actor';

const timeline = async (terminal: Terminal, id: string, options: ReadOptions): Promise<void> => {
  const selection = `timeline { ${ENTRY} data }`;
  const { timeline: entries } = await withClient(terminal, options, (client) =>
    readTask<{ timeline: readonly Entry[] }>(client, id, selection, options.atLeast),
  );
  print(terminal, options.json, entries, () =>
    table(
      [{ title: 'AT' }, { title: 'EVENT' }, { title: 'WHAT' }],
      entries.map(({ at, type, summary }) => [at, type, oneLine(summary, 300)]),
    ),
  );
};

type Decision = {
  readonly attempt: number;
  readonly agentId: string;
  readonly at: string;
  readonly strategy: string;
  readonly strategyVersion: number;
  readonly eligible: number;
  readonly candidates: readonly { readonly agentId: string; readonly score: number; readonly open: number }[];
  readonly excluded: readonly { readonly reason: string; readonly agents: number }[];
  readonly waitedMs: number;
};

type Why = {
  readonly status: string;
  readonly why: {
    readonly decisions: readonly Decision[];
    readonly waiting: { readonly reason: string; readonly message: string; readonly since: string } | null;
  };
};

const WHY = `id status why {
  decisions { attempt agentId at expiresAt strategy strategyVersion eligible waitedMs position
    candidates { agentId score open } excluded { reason agents } }
  waiting { reason message since able draining unhealthy busy free } }`;

const decisionText = (decision: Decision): string => {
  const { attempt, agentId, at, strategy, strategyVersion, eligible, candidates, excluded, waitedMs } = decision;
  const left = excluded.map(({ reason, agents }) => `${agents} ${reason.toLowerCase().replaceAll('_', ' ')}`);
  const better = candidates.map((candidate) => {
    const { agentId: id, score, open } = candidate;
    return `  ${id === agentId ? '→' : ' '} ${id}  score ${score}, ${open} open\n`;
  });
  return [
    `attempt ${attempt} to ${agentId} at ${at}\n`,
    `  by ${strategy} (version ${strategyVersion}) among ${eligible} eligible, after waiting ${duration(waitedMs)}\n`,
    ...better,
    ...(left.length === 0 ? [] : [`  left out: ${left.join(', ')}\n`]),
  ].join('');
};

const whyText = ({ status: state, why: { decisions, waiting } }: Why): string =>
  [
    ...decisions.map(decisionText),
    ...(waiting === null ? [] : [`waiting since ${waiting.since}: ${waiting.message}\n`]),
    ...(decisions.length === 0 && waiting === null
      ? [`no agent was ever chosen; the task is ${state.toLowerCase()}\n`]
      : []),
  ].join('');

const why = async (terminal: Terminal, id: string, options: ReadOptions): Promise<void> => {
  const task = await withClient(terminal, options, (client) => readTask<Why>(client, id, WHY, options.atLeast));
  print(terminal, options.json, task, () => whyText(task));
};

export const addTaskReads = (tasks: Command, terminal: Terminal): void => {
  serverOptions(
    listOptions(
      tasks
        .command('list')
        .description('List tasks, newest first.')
        .addOption(
          new Option('--status <status>', 'one of several (repeatable)')
            .choices(TASK_STATUSES)
            .argParser(parse.collect(parse.oneOf(TASK_STATUSES))),
        )
        .option('--capability <name>', 'what they need of an agent')
        .option('--pool <name>', 'pool of agents')
        .option('--agent <id>', 'agent that has or ended them')
        .option('--tag <text>', 'all of those given (repeatable)', parse.collect(String))
        .option('--priority <n>', 'one of several (repeatable)', parse.collect(parse.integer(1, 5)))
        .option('--text <text>', 'part of capability, agent, tag or error message')
        .option('--since <instant>', 'submitted at or after', parse.instant)
        .option('--until <instant>', 'submitted before', parse.instant),
    ),
  )
    .addHelpText(
      'after',
      examples(
        'baton tasks list --status dead_lettered --status indeterminate',
        'baton tasks list --capability carbon.footprint --since 2026-07-01T00:00:00Z --json',
      ),
    )
    .action((options: ListFilter) => list(terminal, options));
  const read = (name: string, description: string): Command =>
    serverOptions(freshness(tasks.command(name).description(description).argument('<id>'))).addHelpText(
      'after',
      examples(`baton tasks ${name} 0190b5a4-5b9e-7cc1-8a52-3c6f6c9f0d11`),
    );
  read('get', 'Show a task with its input and result.').action((id: string, options: ReadOptions) =>
    get(terminal, id, options),
  );
  read('timeline', 'Show what happened to a task, in order.').action((id: string, options: ReadOptions) =>
    timeline(terminal, id, options),
  );
  read('why', 'Show why a task is where it is: the recorded reasons of routing.').action(
    (id: string, options: ReadOptions) => why(terminal, id, options),
  );
};
