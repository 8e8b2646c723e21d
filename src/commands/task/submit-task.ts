import { z } from 'zod';
import { taskIdOf } from '../../domain/ids.ts';
import type { Result } from '../../domain/result.ts';
import { DEFAULT_STRATEGY } from '../../domain/routing/strategies.ts';
import { type Route, routeOf } from '../../domain/rules/rule.ts';
import type { RuleRef } from '../../domain/rules/rule-ref.ts';
import { SubmitTaskInput, timeoutByComplexity } from '../../domain/task/commands.ts';
import type { TaskRejection } from '../../domain/task/decision.ts';
import { affinityKeyOf } from '../../domain/task/routing-hints.ts';
import { type BulkItem, performAll } from '../bulk.ts';
import { type Accepted, type Caller, type Commands, contextOf, parseInput } from '../context.ts';
import { nowOf, run, TASK, unlessPoolsAreFull, unlessRecorded, unlessRefused } from '../run.ts';
import { openDependencies } from './dependencies.ts';

/** What the task says about its agent, and what a rule adds to it. */
const routingOf = async (
  commands: Commands,
  { tenant }: Caller,
  body: SubmitTaskInput,
  taskId: string,
): Promise<Route & { readonly rule?: RuleRef }> => {
  const stated = routeOf(body);
  const rules = await commands.routing?.current(tenant);
  const routed = rules?.route({ ...body, tenant, stated, key: body.affinityKey ?? taskId });
  return routed === undefined ? stated : { ...stated, ...routed.route, rule: routed.rule };
};

const submitBody = async (
  commands: Commands,
  caller: Caller,
  input: SubmitTaskInput,
): Promise<Result<Accepted, TaskRejection>> => {
  const body = { ...input, timeoutMs: input.timeoutMs ?? timeoutByComplexity(input.complexity) };
  // As it was before rules chose the strategy: a repeat is answered by the record of any build.
  const context = contextOf(commands, caller, 'SubmitTask', { ...body, strategy: body.strategy ?? DEFAULT_STRATEGY });
  const taskId = taskIdOf(context.commandId);
  const now = nowOf(commands);
  const { rule, strategy = DEFAULT_STRATEGY, ...routed } = await routingOf(commands, caller, body, taskId);
  const route = { ...routed, ...affinityKeyOf(strategy, caller.actor, body.affinityKey), strategy, rule };
  const command = { type: 'SubmitTask' as const, ...body, ...route, taskId, now };
  const pools = [{ pointer: '/pool', pool: body.pool }];
  const admit = () => commands.admission?.admit({ taskId, pool: body.pool, priority: body.priority });
  return unlessPoolsAreFull(commands, caller, TASK, { id: taskId, context, pools }, () =>
    unlessRefused(commands, caller, TASK, { id: taskId, context, admit }, () =>
      unlessRecorded(commands, caller, TASK, { id: taskId, context }, async () => {
        const waitsFor = await openDependencies(commands, caller, body.dependsOn);
        return run(commands, caller, TASK, {
          id: taskId,
          command: { ...command, ...waitsFor },
          now,
          context,
          assumeNew: true,
        });
      }),
    ),
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

/** Outcome of one item of a bulk submission, in the order of the request. */
export type SubmittedItem = BulkItem<TaskRejection['reason']>;

/**
 * Accepts up to `MAX_TASKS_PER_CALL` tasks. Each item succeeds or fails on its own; each may carry its own idempotency key;
 * without one it is covered by the call's. All bad items together report at most `MAX_ISSUES` issues.
 *
 * Errors: `AppError` `BAD_USER_INPUT` only when the list itself, or the call's key, is unusable.
 */
export const submitTasks = (commands: Commands, caller: Caller, input: unknown): Promise<SubmittedItem[]> => {
  const { tasks } = parseInput(SubmitTasksInput, input);
  return performAll(caller, tasks, {
    schema: SubmitTaskInput,
    perform: (itemCaller, body) => submitBody(commands, itemCaller, body),
  });
};
