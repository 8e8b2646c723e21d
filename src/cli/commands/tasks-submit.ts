import {
  accepted,
  BatonError,
  SubmitTask,
  type SubmitTaskInput,
  SubmitTasks,
  type SubmitTasksItemInput,
  type SubmitTasksMutation,
} from 'baton-client';
import { type Command, Option } from 'commander';
import { MAX_TASKS_PER_CALL } from '../../commands/task/submit-task.ts';
import { RetryPolicy } from '../../domain/retry.ts';
import { STRATEGY_NAMES, type StrategyName } from '../../domain/routing/strategies.ts';
import { numberOf } from '../../wording/sentences.ts';
import type { Client } from '../client.ts';
import { failureOf } from '../client-failure.ts';
import { type ServerOptions, serverOptions, withClient } from '../connection.ts';
import { Ended, EXIT, Failure, usageFailure } from '../failure.ts';
import { type InputOptions, inputOf, inputOptions } from '../input-options.ts';
import * as parse from '../parse.ts';
import type { Accepted } from '../perform.ts';
import { print } from '../print.ts';
import { examples } from '../program.ts';
import { type Progress, progressBar } from '../progress.ts';
import { type FileTask, readTasks } from '../task-file.ts';
import type { Terminal } from '../terminal.ts';
import { timeoutOption, type WaitOptions } from '../waiting.ts';
import { printTask } from './tasks-read.ts';
import { followTask, waitForTask } from './tasks-watch.ts';

type SubmitOptions = ServerOptions &
  WaitOptions &
  InputOptions & {
    readonly pool?: string;
    readonly priority?: number;
    readonly strategy?: StrategyName;
    readonly versionRange?: string;
    readonly timeoutMs?: number;
    readonly deadline?: string;
    readonly maxAttempts?: number;
    readonly retry?: RetryPolicy['kind'];
    readonly retryBaseMs?: number;
    readonly tag?: readonly string[];
    readonly idempotencyKey?: string;
    readonly wait?: boolean;
  };

const retryOf = ({ retry, maxAttempts, retryBaseMs }: SubmitOptions): SubmitTaskInput['retry'] =>
  retry === undefined && maxAttempts === undefined && retryBaseMs === undefined
    ? undefined
    : { kind: retry && parse.upperCase(retry), maxAttempts, baseMs: retryBaseMs };

const taskOf = async (terminal: Terminal, capability: string, options: SubmitOptions): Promise<SubmitTaskInput> => ({
  capability,
  input: await inputOf(terminal, options),
  pool: options.pool,
  priority: options.priority,
  strategy: options.strategy && parse.upperCase(options.strategy),
  versionRange: options.versionRange,
  timeoutMs: options.timeoutMs,
  deadlineAt: options.deadline,
  tags: options.tag,
  retry: retryOf(options),
});

const awaitEnd = async (
  terminal: Terminal,
  client: Client,
  { id, position }: Accepted,
  options: SubmitOptions,
): Promise<void> => {
  const from = BigInt(position);
  const end = await waitForTask(terminal, client, id, options, (signal) =>
    followTask(client, id, { from, endsFrom: from, onEntry: () => {}, signal }),
  );
  await printTask(terminal, client, id, { json: options.json, atLeast: end.position });
  if (end.type !== 'TaskCompleted') throw new Ended(EXIT.failed);
};

const submit = async (terminal: Terminal, capability: string, options: SubmitOptions): Promise<void> => {
  if (options.timeout !== undefined && options.wait !== true) throw usageFailure('--timeout needs --wait');
  const input = await taskOf(terminal, capability, options);
  await withClient(terminal, options, async (client) => {
    const variables = { input, idempotencyKey: options.idempotencyKey };
    const task = accepted(await client.execute(SubmitTask, variables));
    const { id, position, repeated } = task;
    const known = repeated ? '  (already submitted under this key)' : '';
    if (options.wait === true) {
      terminal.err(`${id}${known}\n`); // stdout is for the task
      return awaitEnd(terminal, client, task, options);
    }
    print(terminal, options.json, { taskId: id, position, repeated }, () => `${id}${known}\n`);
  });
};

type Outcome = SubmitTasksMutation['submitTasks']['items'][number] & { readonly place: string };

/** The server accepts bodies of 2 MiB; the rest of the request is small. */
const MAX_CHUNK_BYTES = 1_500_000;

/** GraphQL's form of a task: enum values in capitals. */
const asVariable = ({ task }: FileTask): SubmitTaskInput => {
  const { strategy, retry, ...rest } = task;
  return {
    ...rest,
    strategy: parse.upperCase(strategy),
    retry: { ...retry, kind: parse.upperCase(retry.kind) },
  };
};

type Chunk = { readonly tasks: FileTask[]; readonly items: SubmitTasksItemInput[] };

function* chunksOf(tasks: readonly FileTask[], keyPrefix: string | undefined): Generator<Chunk> {
  let chunk: Chunk = { tasks: [], items: [] };
  let bytes = 0;
  for (const [index, task] of tasks.entries()) {
    const idempotencyKey = task.idempotencyKey ?? (keyPrefix === undefined ? undefined : `${keyPrefix}/${index}`);
    const item = { idempotencyKey, task: asVariable(task) };
    const size = JSON.stringify(item).length;
    if (chunk.tasks.length === MAX_TASKS_PER_CALL || (bytes + size > MAX_CHUNK_BYTES && chunk.tasks.length > 0)) {
      yield chunk;
      chunk = { tasks: [], items: [] };
      bytes = 0;
    }
    chunk.tasks.push(task);
    chunk.items.push(item);
    bytes += size;
  }
  yield chunk;
}

const afterSome = (error: unknown, submitted: number, total: number): unknown => {
  if (!(error instanceof BatonError) || submitted === 0) return error;
  const { exitCode, message, code, issues } = failureOf(error);
  return new Failure(exitCode, `${message}; ${submitted} of ${numberOf(total, 'task')} had been submitted`, {
    code,
    issues,
    advice: 'with --idempotency-key the command can be repeated without submitting a task twice',
  });
};

const submitAll = async (
  client: Client,
  tasks: readonly FileTask[],
  keyPrefix: string | undefined,
  progress: Progress,
): Promise<Outcome[]> => {
  const outcomes: Outcome[] = [];
  for (const chunk of chunksOf(tasks, keyPrefix)) {
    try {
      const { submitTasks } = await client.execute(SubmitTasks, { tasks: chunk.items });
      outcomes.push(...submitTasks.items.map((item, index) => ({ ...item, place: chunk.tasks[index]?.place ?? '' })));
      progress.update(outcomes.length);
    } catch (error) {
      throw afterSome(error, outcomes.length, tasks.length);
    }
  }
  return outcomes;
};

const SHOWN_ERRORS = 20;

/** Pass it as `--at-least` to see every submitted task. */
const lastPosition = (outcomes: readonly Outcome[]): string | null => {
  let last: bigint | undefined;
  for (const { accepted } of outcomes) {
    const position = accepted === null ? undefined : BigInt(accepted.position);
    if (position !== undefined && (last === undefined || position > last)) last = position;
  }
  return last === undefined ? null : String(last);
};

const submitMany = async (
  terminal: Terminal,
  file: string,
  options: ServerOptions & { readonly idempotencyKey?: string },
): Promise<void> => {
  const tasks = await readTasks(terminal, file);
  const progress = progressBar(terminal, 'submitting', tasks.length);
  const outcomes = await withClient(terminal, options, (client) =>
    submitAll(client, tasks, options.idempotencyKey, progress),
  ).finally(() => progress.stop());
  const failed = outcomes.filter(({ error }) => error !== null);
  for (const { place, error } of failed.slice(0, SHOWN_ERRORS)) terminal.err(`${place}: ${error?.message}\n`);
  if (failed.length > SHOWN_ERRORS) terminal.err(`… and ${failed.length - SHOWN_ERRORS} more\n`);
  const submitted = outcomes.length - failed.length;
  const position = lastPosition(outcomes);
  print(terminal, options.json, { submitted, failed: failed.length, position, items: outcomes }, () =>
    outcomes.map((outcome) => (outcome.accepted === null ? '' : `${outcome.accepted.taskId}\n`)).join(''),
  );
  const refused = failed.length === 0 ? '' : `, ${failed.length} refused`;
  if (options.json !== true) terminal.err(`${numberOf(submitted, 'task')} submitted${refused}\n`);
  if (failed.length > 0) throw new Ended(EXIT.failed);
};

const capabilityArgument = (text: string): string => {
  if (text.trim() === '') throw usageFailure("argument 'capability' is empty");
  return text;
};

const MAX_INT = 2_147_483_647;

export const addSubmit = (tasks: Command, terminal: Terminal): void => {
  serverOptions(
    timeoutOption(
      inputOptions(
        tasks
          .command('submit')
          .description('Submit one task and print its id.')
          .argument('<capability>', 'capability an agent must have', capabilityArgument),
        'input for the agent',
      )
        .option('--pool <name>', 'pool of agents')
        .option('--priority <n>', '1 critical … 5 background', parse.integer(1, 5))
        .addOption(new Option('--strategy <name>', 'how the agent is chosen').choices(STRATEGY_NAMES))
        .option('--version-range <range>', "semver range for the capability's version")
        .option('--timeout-ms <n>', 'timeout of one attempt', parse.integer(1, MAX_INT))
        .option('--deadline <instant>', 'give up when the task has not completed by then', parse.instant)
        .option('--max-attempts <n>', 'attempts before the task is dead-lettered', parse.integer(1, 100))
        .addOption(new Option('--retry <kind>', 'how the delay grows').choices(RetryPolicy.shape.kind.unwrap().options))
        .option('--retry-base-ms <n>', 'delay before the first retry', parse.integer(0, 3_600_000))
        .option('--tag <text>', 'for filters (repeatable)', parse.collect(String))
        .option('--idempotency-key <key>', 'submitting the same task under the same key again returns the same task')
        .option('--wait', 'wait until the task ends and print it; exit code 1 unless it completed'),
    ),
  )
    .addHelpText(
      'after',
      examples(
        `baton tasks submit carbon.footprint --input '{"country":"DEU","kWh":120000}' --wait`,
        'baton tasks submit report --input-file report.json --priority 1 --idempotency-key report-2026-07',
      ),
    )
    .action((capability: string, options: SubmitOptions) => submit(terminal, capability, options));

  serverOptions(
    tasks
      .command('submit-many')
      .description(
        'Submit the tasks of a file (a JSON list, or JSON lines) and print their ids. All are checked before the first is sent.',
      )
      .argument('<file>', '- is stdin')
      .option('--idempotency-key <key>', 'prefix: a task without its own key gets <key>/<index>'),
  )
    .addHelpText(
      'after',
      `${examples(
        'baton tasks submit-many suppliers.jsonl --idempotency-key suppliers-2026-07',
        `echo '{"capability":"report","input":{"month":7},"priority":2}' | baton tasks submit-many -`,
      )}\nExit code 1 when a task is refused; the others are still submitted.\n`,
    )
    .action((file: string, options: ServerOptions & { idempotencyKey?: string }) =>
      submitMany(terminal, file, options),
    );
};
