import { z } from 'zod';
import type { Accepted } from '../../commands/context.ts';
import { CancelTaskInput, cancelTask } from '../../commands/task/cancel-task.ts';
import { RedriveTaskInput, redriveTask } from '../../commands/task/redrive-task.ts';
import { MAX_TASKS_PER_CALL, submitTask, submitTasks } from '../../commands/task/submit-task.ts';
import { TaskId } from '../../domain/ids.ts';
import { BuiltPayload } from '../../domain/json.ts';
import type { Result } from '../../domain/result.ts';
import { SubmitTaskInput } from '../../domain/task/commands.ts';
import type { TaskRejection } from '../../domain/task/decision.ts';
import { AttemptError } from '../../domain/task/events.ts';
import type { TaskOutcome } from '../../processes/outcomes/task-outcomes.ts';
import type { WithOutcome } from '../../processes/outcomes/waits.ts';
import { ENDED_STATUSES, endedTask } from '../reads/outcomes.ts';
import { ofOwnStream } from '../reads/own-stream.ts';
import { bulkAnswer, bulkAnswerOf } from './bulk.ts';
import { BULK_KEY, BULK_TASK, DEAD_LETTER, TASK_KEY } from './examples.ts';
import {
  COMMAND_REFUSALS,
  CREATION_REFUSALS,
  type Operation,
  operation,
  RECORDED,
  REST_PATH,
  type Requested,
} from './operation.ts';
import { acceptedByTask } from './rejection.ts';

export const EndedTask = z.strictObject({
  status: z.enum(ENDED_STATUSES),
  result: BuiltPayload.optional(),
  agentId: z.string().optional(),
  attempt: z.int().min(1).optional(),
  error: AttemptError.optional(),
});

const TaskAccepted = z.strictObject({ taskId: TaskId, ...RECORDED });
export const TaskSubmitted = TaskAccepted.extend({
  outcome: EndedTask.optional().meta({ description: 'How it ended, if it did while the request waited.' }),
});

const accepted = ({ id, position, repeated }: Accepted): z.output<typeof TaskAccepted> => ({
  taskId: id,
  position: String(position),
  repeated,
});

const submitted = (value: WithOutcome<TaskOutcome>) => ({
  ...accepted(value),
  ...(value.outcome ? { outcome: endedTask(value.outcome) } : {}),
});

export const taskPath = (taskId: string): string => `${REST_PATH}/tasks/${taskId}`;

const EXAMPLE_TASK = {
  capability: 'footprint',
  input: { supplier: 'Acme', country: 'DEU', kWh: 120_000 },
  priority: 2,
  retry: { kind: 'exponential', maxAttempts: 5, baseMs: 500 },
  tags: ['2026-07'],
};

const submit = operation({
  method: 'post',
  path: '/tasks',
  id: 'submitTask',
  summary: 'Submit a task',
  body: { schema: SubmitTaskInput, required: true },
  waits: { done: 'It has ended: see `outcome`' },
  success: { status: 202, description: 'Accepted; `Location` is the task', schema: TaskSubmitted },
  refusals: CREATION_REFUSALS,
  example: { key: TASK_KEY, body: EXAMPLE_TASK },
  async run({ commands, caller, waits, patience, body }) {
    const value = acceptedByTask(await waits.task(caller.tenant, patience, () => submitTask(commands, caller, body)));
    return { body: submitted(value), location: taskPath(value.id), ...(value.outcome ? { status: 200 } : {}) };
  },
});

/** What the list contains is checked item by item: each succeeds or fails on its own. */
export const SubmitTasksInput = z.strictObject({
  tasks: z
    .array(
      SubmitTaskInput.extend({
        idempotencyKey: z
          .string()
          .optional()
          .meta({ description: 'Without one: that of the request, `/` and the index of the item.' }),
      }),
    )
    .min(1)
    .max(MAX_TASKS_PER_CALL),
});

export const SubmittedTasks = bulkAnswerOf(TaskAccepted, 'task');

const submitMany = operation({
  method: 'post',
  path: '/tasks/bulk',
  id: 'submitTasks',
  summary: `Submit up to ${MAX_TASKS_PER_CALL} tasks`,
  description: 'Each succeeds or fails on its own: look at `items`. All bad items together report at most 20 issues.',
  body: { schema: SubmitTasksInput, required: true },
  success: { status: 200, description: 'What became of each', schema: SubmittedTasks },
  refusals: CREATION_REFUSALS,
  example: {
    key: BULK_KEY,
    body: { tasks: ['Acme', 'Globex'].map((supplier) => ({ capability: 'footprint', input: { supplier } })) },
  },
  async run({ commands, caller, body }) {
    return { body: bulkAnswer(await submitTasks(commands, caller, body), accepted) };
  },
});

type TaskCommand = Pick<Operation, 'id' | 'summary' | 'description' | 'example'> & {
  readonly verb: 'cancel' | 'redrive';
  readonly schema: z.ZodType;
  /** What to do with a task of an execution. */
  readonly instead: string;
  readonly success: string;
  readonly command: (
    commands: Requested['commands'],
    caller: Requested['caller'],
    taskId: string,
    body: unknown,
  ) => Promise<Result<Accepted, TaskRejection>>;
};

const onTask = ({ verb, schema, instead, success, command, ...documented }: TaskCommand): Operation =>
  operation({
    ...documented,
    method: 'post',
    path: `/tasks/{id}/${verb}`,
    target: TaskId,
    body: { schema, required: false },
    success: { status: 200, description: success, schema: TaskAccepted },
    refusals: COMMAND_REFUSALS,
    async run({ commands, caller, reads, target, body }) {
      const taskId = target.toLowerCase();
      const run = () => command(commands, caller, taskId, body);
      return { body: accepted(acceptedByTask(await ofOwnStream(reads, taskId, instead, run))) };
    },
  });

const cancel = onTask({
  verb: 'cancel',
  id: 'cancelTask',
  summary: 'End a task',
  description: 'At once: the result of a running attempt no longer counts.',
  schema: CancelTaskInput,
  instead: 'the endpoint to cancel the execution, or to skip the step',
  success: 'Cancelled',
  example: { target: BULK_TASK, body: { reason: 'no longer needed' } },
  command: cancelTask,
});

const redrive = onTask({
  verb: 'redrive',
  id: 'redriveTask',
  summary: 'Run a dead letter again',
  description: 'Also a task whose outcome is unknown. The same id, with a fresh retry budget.',
  schema: RedriveTaskInput,
  instead: 'the endpoint to retry the execution, or its compensation',
  success: 'Back to work',
  example: { target: DEAD_LETTER },
  command: redriveTask,
});

export const TASK_COMMANDS: readonly Operation[] = [submit, submitMany, cancel, redrive];
