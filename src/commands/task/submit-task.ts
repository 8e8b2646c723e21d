import { z } from 'zod';
import { taskIdOf } from '../../domain/ids.ts';
import type { Result } from '../../domain/result.ts';
import { SubmitTaskInput } from '../../domain/task/commands.ts';
import type { TaskRejection } from '../../domain/task/decision.ts';
import type { Position } from '../../eventstore/event-store.ts';
import { AppError, type ErrorCode, type InputIssue, MAX_ISSUES } from '../../platform/errors.ts';
import { type Accepted, type Caller, type Commands, checkKey, contextOf, parseInput } from '../context.ts';
import { nowOf, run, TASK, unlessPoolsAreFull } from '../run.ts';

const submitBody = (
  commands: Commands,
  caller: Caller,
  body: SubmitTaskInput,
): Promise<Result<Accepted, TaskRejection>> => {
  const context = contextOf(commands, caller, 'SubmitTask', body);
  const taskId = taskIdOf(context.commandId);
  const now = nowOf(commands);
  const command = { type: 'SubmitTask' as const, ...body, taskId, now };
  const pools = [{ pointer: '/pool', pool: body.pool }];
  return unlessPoolsAreFull(commands, caller, TASK, { id: taskId, context, pools }, () =>
    run(commands, caller, TASK, { id: taskId, command, now, context, assumeNew: true }),
  );
};

/** Accepts one task. The same idempotency key gives the same task. */
export const submitTask = async (
  commands: Commands,
  caller: Caller,
  input: unknown,
): Promise<Result<Accepted, TaskRejection>> => submitBody(commands, caller, parseInput(SubmitTaskInput, input));

export const MAX_TASKS_PER_CALL = 1_000;

const SubmitTasksInput = z.strictObject({
  tasks: z.array(z.unknown()).min(1).max(MAX_TASKS_PER_CALL),
});

/** For callers that would convert the items first. Errors: those of `submitTasks` for a list of that length. */
export const checkTaskCount = (length: number): void => {
  parseInput(SubmitTasksInput, { tasks: Array.from({ length: Math.min(length, MAX_TASKS_PER_CALL + 1) }) });
};

const BulkItem = z.looseObject({ idempotencyKey: z.string().optional() });

/** Outcome of one item of a bulk submission, in the order of the request. */
export type SubmittedItem =
  | { readonly index: number; readonly ok: true; readonly accepted: Accepted }
  | {
      readonly index: number;
      readonly ok: false;
      readonly code: ErrorCode | TaskRejection['reason'];
      readonly message: string;
      readonly issues: readonly InputIssue[];
    };

/** Of the last accepted task; null when none was. */
export const lastPosition = (items: readonly SubmittedItem[]): Position | null =>
  items.reduce<Position | null>(
    (max, item) => (item.ok && (max === null || item.accepted.position > max) ? item.accepted.position : max),
    null,
  );

/** A call that names a key may be repeated as a whole: its items are distinguished by their index. */
const keyOfItem = ({ idempotencyKey }: Caller, index: number): string | undefined =>
  idempotencyKey === undefined ? undefined : `${idempotencyKey}/${index}`;

type ParsedItem = { readonly idempotencyKey?: string | undefined; readonly body: SubmitTaskInput };

/**
 * The items one after the other. What is wrong with the first bad ones is described in full, of the others only the first mistake: the
 * answer to a list full of mistakes stays small.
 */
const parseItems = (items: readonly unknown[]): (ParsedItem | AppError)[] => {
  let issuesLeft = MAX_ISSUES;
  return items.map((item) => {
    try {
      const { idempotencyKey, ...input } = parseInput(BulkItem, item);
      if (idempotencyKey !== undefined) checkKey(idempotencyKey);
      return { idempotencyKey, body: parseInput(SubmitTaskInput, input, { most: Math.max(1, issuesLeft) }) };
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      const { code, message, issues } = error;
      const reported = issues.slice(0, Math.max(0, issuesLeft));
      issuesLeft -= reported.length;
      return new AppError(code, message, { issues: reported });
    }
  });
};

const submitItem = async (
  commands: Commands,
  caller: Caller,
  item: ParsedItem | AppError,
  index: number,
): Promise<SubmittedItem> => {
  try {
    if (item instanceof AppError) throw item;
    const { idempotencyKey = keyOfItem(caller, index), body } = item;
    const result = await submitBody(commands, { ...caller, idempotencyKey }, body);
    if (result.ok) return { index, ok: true, accepted: result.value };
    return { index, ok: false, code: result.rejection.reason, message: result.rejection.reason, issues: [] };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { index, ok: false, code: error.code, message: error.message, issues: error.issues };
  }
};

/**
 * Accepts up to `MAX_TASKS_PER_CALL` tasks. Each item succeeds or fails on its own; each may carry its own idempotency key;
 * without one it is covered by the call's. All bad items together report at most `MAX_ISSUES` issues.
 *
 * Errors: `AppError` `BAD_USER_INPUT` only when the list itself, or the call's key, is unusable.
 */
export const submitTasks = (commands: Commands, caller: Caller, input: unknown): Promise<SubmittedItem[]> => {
  const { tasks } = parseInput(SubmitTasksInput, input);
  const lastKey = keyOfItem(caller, tasks.length - 1);
  if (lastKey !== undefined) checkKey(lastKey);
  return Promise.all(parseItems(tasks).map((item, index) => submitItem(commands, caller, item, index)));
};
