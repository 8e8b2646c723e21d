import { accepted, SubmitTask, type SubmitTaskInput, SubmitTasks } from 'baton-client';
import { type Command, Option } from 'commander';
import { MAX_TASKS_PER_CALL } from '../../commands/task/submit-task.ts';
import { RetryPolicy } from '../../domain/retry.ts';
import { STRATEGY_NAMES, type StrategyName } from '../../domain/routing/strategies.ts';
import type { Client } from '../client.ts';
import { type ServerOptions, serverOptions, withClient } from '../connection.ts';
import { Ended, EXIT, usageFailure } from '../failure.ts';
import { type InputOptions, inputOf, inputOptions } from '../input-options.ts';
import { keyed, performMany } from '../many.ts';
import * as parse from '../parse.ts';
import type { Accepted } from '../perform.ts';
import { print } from '../print.ts';
import { examples } from '../program.ts';
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
    readonly affinityKey?: string;
    readonly specialisation?: string;
    readonly target?: readonly string[];
    readonly versionRange?: string;
    readonly timeoutMs?: number;
    readonly complexity?: number;
    readonly after?: readonly string[];
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
  affinityKey: options.affinityKey,
  specialisation: options.specialisation,
  targets: options.target,
  versionRange: options.versionRange,
  timeoutMs: options.timeoutMs,
  complexity: options.complexity,
  dependsOn: options.after,
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

/** GraphQL's form of a task: enum values in capitals. */
const asVariable = ({ task }: FileTask): SubmitTaskInput => {
  const { strategy, retry, ...rest } = task;
  return {
    ...rest,
    strategy: strategy && parse.upperCase(strategy),
    retry: { ...retry, kind: parse.upperCase(retry.kind) },
  };
};

const submitMany = async (
  terminal: Terminal,
  file: string,
  options: ServerOptions & { readonly idempotencyKey?: string },
): Promise<void> => {
  const tasks = await readTasks(terminal, file);
  const items = keyed(
    tasks.map((task) => ({ idempotencyKey: task.idempotencyKey, task: asVariable(task) })),
    options.idempotencyKey,
  );
  await performMany(terminal, options, {
    words: { item: 'task', doing: 'submitting', done: 'submitted' },
    items: items.map((item, index) => ({ item, place: tasks[index]?.place ?? '' })),
    most: MAX_TASKS_PER_CALL,
    send: async (client, some) => (await client.execute(SubmitTasks, { tasks: some })).submitTasks.items,
    lineOf: ({ accepted: task }) => task?.taskId ?? '',
  });
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
        .option('--affinity-key <key>', 'affinity, consistent_hash: tasks with the same key belong together')
        .option('--specialisation <kind>', 'content_based: the kind of the work')
        .option('--target <agentId>', 'failover: the next to be tried (repeatable)', parse.collect(String))
        .option('--version-range <range>', "semver range for the capability's version")
        .option('--timeout-ms <n>', 'timeout of one attempt', parse.integer(1, MAX_INT))
        .option(
          '--complexity <n>',
          'how much work it is: sets the timeout to n · 300 s, at most 3,600 s',
          parse.number(0.01, 1_000),
        )
        .option('--after <taskId>', 'a task that must complete first (repeatable)', parse.collect(String))
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
        'baton tasks submit publish --after 0190b5a4-5b9e-7cc1-8a52-3c6f6c9f0d11',
      ),
    )
    .action((capability: string, options: SubmitOptions) => submit(terminal, capability, options));
};

export const addSubmitMany = (tasks: Command, terminal: Terminal): void => {
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
