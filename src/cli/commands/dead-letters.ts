import {
  accepted,
  BatonError,
  type DeadLetterFilter,
  type DeadLetterRowFragment,
  GetDeadLetter,
  type GetDeadLetterQuery,
  ListDeadLetterGroups,
  type ListDeadLetterGroupsQuery,
  ListDeadLetters,
  RedriveTask,
} from 'baton-client';
import type { Command } from 'commander';
import { DEFAULT_PAGE_SIZE, MAX_PAGE } from '../../projections/page-size.ts';
import { endReasonText } from '../../wording/given-up.ts';
import { numberOf, words } from '../../wording/sentences.ts';
import type { Client } from '../client.ts';
import { failureOf } from '../client-failure.ts';
import { type ServerOptions, serverOptions, withClient } from '../connection.ts';
import { Ended, EXIT, Failure, usageFailure } from '../failure.ts';
import { facts, oneLine, table } from '../format.ts';
import { type ListOptions, type ListView, listOptions, readList, showList } from '../list.ts';
import * as parse from '../parse.ts';
import { print } from '../print.ts';
import { examples } from '../program.ts';
import { progressBar } from '../progress.ts';
import type { Terminal } from '../terminal.ts';
import { errorLine, foundTask } from './tasks-read.ts';

type Filter = {
  readonly pool?: string;
  readonly capability?: string;
  readonly agent?: string;
  readonly errorCode?: string;
  readonly fingerprint?: string;
};

const filterOf = ({ pool, capability, agent, errorCode, fingerprint }: Filter): DeadLetterFilter => ({
  pool,
  capability,
  agentId: agent,
  errorCode,
  fingerprint,
});

const MAX_ERROR = 80;
const MAX_CAPABILITIES = 40;

const DEAD_LETTERS: ListView<DeadLetterRowFragment> = {
  word: 'dead letters',
  columns: [
    { title: 'TASK' },
    { title: 'CAPABILITY' },
    { title: 'REASON' },
    { title: 'ATTEMPTS', align: 'right' },
    { title: 'AT' },
    { title: 'ERROR' },
  ],
  rowOf: (letter) => [
    letter.taskId,
    letter.capability,
    words(letter.reason),
    String(letter.attempts),
    letter.deadLetteredAt,
    oneLine(errorLine(letter.error), MAX_ERROR),
  ],
};

type Groups = ListDeadLetterGroupsQuery['groups'];

const describeGroups = (groups: Groups): string =>
  groups.length === 0
    ? 'no dead letters\n'
    : table(
        [
          { title: 'FINGERPRINT' },
          { title: 'TASKS', align: 'right' },
          { title: 'CAPABILITIES' },
          { title: 'NEWEST' },
          { title: 'ERROR' },
        ],
        groups.map(({ fingerprint, count, capabilities, newestAt, errorCode, message }) => [
          fingerprint,
          String(count),
          oneLine(capabilities.join(', '), MAX_CAPABILITIES),
          newestAt,
          oneLine(`${errorCode}: ${message}`, MAX_ERROR),
        ]),
      );

const showGroups = async (terminal: Terminal, options: ServerOptions & Filter & { limit: number }): Promise<void> => {
  const { groups } = await withClient(terminal, options, (client) =>
    client.execute(ListDeadLetterGroups, { filter: filterOf(options), first: options.limit }),
  );
  print(terminal, options.json, groups, () => describeGroups(groups));
};

type DeadTask = NonNullable<GetDeadLetterQuery['task']>;

const describeLetter = (task: DeadTask): string =>
  `${facts([
    ['task', task.id],
    ['status', task.status.toLowerCase()],
    ['capability', task.capability],
    ['given up', `${task.deadLetteredAt}: ${endReasonText(task.deadLetterReason)}`],
    ['redrives', String(task.redrives)],
    ['input', oneLine(JSON.stringify(task.input), 2_000)],
  ])}\n${table(
    [
      { title: 'ATTEMPT', align: 'right' },
      { title: 'OUTCOME' },
      { title: 'AGENT' },
      { title: 'ENDED' },
      { title: 'ERROR' },
    ],
    task.attempts.map(({ attempt, outcome, agentId, endedAt, error }) => [
      String(attempt),
      outcome.toLowerCase(),
      agentId ?? '',
      endedAt ?? '',
      error === null ? '' : errorLine(error),
    ]),
  )}`;

const show = async (terminal: Terminal, id: string, options: ServerOptions): Promise<void> => {
  const task = foundTask(id, await withClient(terminal, options, (client) => client.execute(GetDeadLetter, { id })));
  if (task.deadLetteredAt === null)
    throw new Failure(EXIT.failed, `task ${id} was never dead-lettered; it is ${task.status.toLowerCase()}`, {
      code: 'NOT_DEAD_LETTERED',
    });
  print(terminal, options.json, task, () => describeLetter(task));
};

type RedriveOptions = ServerOptions & Filter & { readonly all?: boolean; readonly deadline?: string };
type Redriven = {
  readonly taskId: string;
  readonly position?: string;
  readonly error?: { readonly code: string; readonly message: string };
};

const redriveOne = async (client: Client, taskId: string, deadlineAt: string | undefined): Promise<Redriven> => {
  try {
    const { position } = accepted(await client.execute(RedriveTask, { taskId, deadlineAt }));
    return { taskId, position };
  } catch (error) {
    // A task that is refused does not stop the others; a server that does not answer does.
    const failure = error instanceof BatonError ? failureOf(error) : undefined;
    if (failure?.exitCode !== EXIT.failed) throw error;
    return { taskId, error: { code: failure.code, message: failure.message } };
  }
};

const MOST_AT_ONCE = 10_000;

const redriveAll = async (
  terminal: Terminal,
  client: Client,
  ids: readonly string[],
  options: RedriveOptions,
): Promise<Redriven[]> => {
  const found =
    options.all === true
      ? (await readList(client, ListDeadLetters, filterOf(options), { limit: MOST_AT_ONCE })).items
      : ids.map((taskId) => ({ taskId }));
  const progress = progressBar(terminal, 'redriving', found.length);
  const outcomes: Redriven[] = [];
  for (const { taskId } of found) {
    outcomes.push(await redriveOne(client, taskId, options.deadline));
    progress.update(outcomes.length);
  }
  progress.stop();
  return outcomes;
};

const redrive = async (terminal: Terminal, ids: readonly string[], options: RedriveOptions): Promise<void> => {
  if ((options.all === true) === ids.length > 0)
    throw usageFailure('name tasks, or --all with filters', 'baton dlq redrive --help');
  const narrowed = Object.values(filterOf(options)).some((value) => value !== undefined);
  if (narrowed && options.all !== true) throw usageFailure('filters go with --all', 'baton dlq redrive --help');
  const outcomes = await withClient(terminal, options, (client) => redriveAll(terminal, client, ids, options));
  const failed = outcomes.filter(({ error }) => error !== undefined);
  for (const { taskId, error } of failed) terminal.err(`${taskId}: ${error?.message}\n`);
  const redriven = outcomes.length - failed.length;
  print(
    terminal,
    options.json,
    { redriven, failed: failed.length, items: outcomes },
    () => `${numberOf(redriven, 'task')} redriven\n`,
  );
  if (failed.length > 0) throw new Ended(EXIT.failed);
};

const filterOptions = (command: Command): Command =>
  command
    .option('--pool <name>', 'pool of agents')
    .option('--capability <name>', 'capability the task requires')
    .option('--agent <id>', 'agent of the last attempt')
    .option('--error-code <code>', 'of the last attempt')
    .option('--fingerprint <digits>', 'the failure, as `baton dlq groups` names it');

export const addDeadLetters = (program: Command, terminal: Terminal): void => {
  const dlq = program.command('dlq').description('List, show and redrive dead-lettered tasks.');
  serverOptions(listOptions(filterOptions(dlq.command('list').description('List open dead letters, newest first.'))))
    .addHelpText('after', examples('baton dlq list', 'baton dlq list --error-code AGENT_TIMEOUT --json'))
    .action((options: ServerOptions & ListOptions & Filter) =>
      showList(terminal, options, ListDeadLetters, filterOf(options), DEAD_LETTERS),
    );
  serverOptions(
    filterOptions(
      dlq
        .command('groups')
        .description('Count open dead letters by failure, the most frequent first.')
        .option('--limit <count>', `groups to show, 1 to ${MAX_PAGE}`, parse.integer(1, MAX_PAGE), DEFAULT_PAGE_SIZE),
    ),
  )
    .addHelpText(
      'after',
      `${examples('baton dlq groups', 'baton dlq redrive --all --fingerprint 2ad457e9f76d')}\nErrors that differ only in ids, numbers and quoted text are one failure.\n`,
    )
    .action((options: ServerOptions & Filter & { limit: number }) => showGroups(terminal, options));
  serverOptions(dlq.command('show').description('Show a dead-lettered task with all its attempts.').argument('<task>'))
    .addHelpText('after', examples('baton dlq show 0190b5a4-5b9e-7cc1-8a52-3c6f6c9f0d11'))
    .action((id: string, options: ServerOptions) => show(terminal, id, options));
  serverOptions(
    filterOptions(
      dlq
        .command('redrive')
        .description('Send tasks back to work: same id, next attempt, fresh retry budget.')
        .argument('[tasks...]')
        .option('--all', 'every open dead letter that matches the filters')
        .option('--deadline <instant>', 'a new deadline that replaces the old one', parse.instant),
    ),
  )
    .addHelpText(
      'after',
      `${examples(
        'baton dlq redrive 0190b5a4-5b9e-7cc1-8a52-3c6f6c9f0d11',
        'baton dlq redrive --all --error-code AGENT_UNREACHABLE',
      )}\nExit code 1 when a task is refused; the others are still redriven.\n`,
    )
    .action((ids: readonly string[], options: RedriveOptions) => redrive(terminal, ids, options));
};
