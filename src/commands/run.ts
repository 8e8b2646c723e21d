import type { z } from 'zod';
import type { PoolCommand, PoolRejection } from '../domain/admission/pool-control.ts';
import type { AgentCommand } from '../domain/agent/commands.ts';
import type { AgentRejection } from '../domain/agent/decider.ts';
import type { ExecutionCommand } from '../domain/execution/commands.ts';
import type { ExecutionRejection } from '../domain/execution/decision.ts';
import {
  AgentId,
  admissionStream,
  agentStream,
  ExecutionId,
  executionStream,
  PoolId,
  rulesStream,
  TaskId,
  taskStream,
  WorkflowName,
  workflowStream,
} from '../domain/ids.ts';
import { instantOf } from '../domain/instant.ts';
import { ok, type Result } from '../domain/result.ts';
import { RuleName } from '../domain/rules/rule-ref.ts';
import type { TaskCommand } from '../domain/task/commands.ts';
import type { TaskRejection } from '../domain/task/decision.ts';
import type { WorkflowCommand, WorkflowRejection } from '../domain/workflow/decider.ts';
import type { Position } from '../eventstore/event-store.ts';
import { AppError, notFound } from '../platform/errors.ts';
import type { CommandContext, Execute, Outcome } from './aggregate-handler.ts';
import { type Accepted, badInput, type Caller, type Commands, contextOf, parseInput } from './context.ts';

/** A kind of aggregate, as far as running its commands needs to know it. */
type Aggregate<Command, Rejection> = {
  /** Named in `NOT_FOUND`. */
  readonly kind: 'agent' | 'task' | 'execution' | 'workflow' | 'pool' | 'rule';
  readonly Id: z.ZodType;
  readonly streamOf: (tenant: string, id: string) => string;
  readonly handlerOf: (commands: Commands) => {
    execute(request: Execute<Command>): Promise<Result<Outcome<unknown, unknown>, Rejection>>;
    recorded(stream: string, context: CommandContext): Promise<Position | undefined>;
  };
  /** Adds what a decision needs to know besides. */
  readonly complete?: (commands: Commands, caller: Caller, command: Command) => Promise<Command>;
  /** Its events are correlated by its id, where the caller names no larger flow. */
  readonly isFlow: boolean;
};

/** Rejections that the caller sees as `NOT_FOUND`. */
const MISSING: ReadonlySet<string> = new Set([
  'AgentNotFound',
  'TaskNotFound',
  'ExecutionNotFound',
  'WorkflowNotFound',
  'RuleNotFound',
]);

type Request<Command> = {
  readonly id: string;
  readonly command: Command;
  readonly now: string;
  readonly context: CommandContext;
  /** What `NOT_FOUND` and the answer name; without it the aggregate itself. */
  readonly subject?: { readonly kind: string; readonly id: string };
  readonly assumeNew?: boolean;
};

/** The instant at which a command is decided. */
export const nowOf = ({ clock }: Pick<Commands, 'clock'>): string => instantOf(clock.now());

/**
 * Loads, decides and appends one command.
 *
 * Errors: `AppError` `NOT_FOUND` when the command needs an aggregate that does not exist in the caller's tenant; those of `AggregateHandler`.
 */
export const run = async <Command, Rejection extends { readonly reason: string }>(
  commands: Commands,
  caller: Caller,
  aggregate: Aggregate<Command, Rejection>,
  request: Request<Command>,
): Promise<Result<Accepted, Rejection>> => {
  const { id, now, context, subject = { kind: aggregate.kind, id }, assumeNew = false } = request;
  const command = aggregate.complete ? await aggregate.complete(commands, caller, request.command) : request.command;
  const result = await aggregate.handlerOf(commands).execute({
    stream: aggregate.streamOf(caller.tenant, id),
    command,
    context: aggregate.isFlow ? { ...context, correlationId: caller.correlationId ?? id } : context,
    at: now,
    assumeNew,
  });
  if (!result.ok && MISSING.has(result.rejection.reason)) throw notFound(subject.kind, subject.id);
  if (!result.ok) return result;
  const { position, repeated, events } = result.value;
  if (position === undefined) throw notFound(subject.kind, subject.id);
  return ok({ id: subject.id, position, repeated: repeated || events.length === 0 });
};

/**
 * Runs a command that depends on more than its own stream: a workflow's version, an agent's card. A repeat of its idempotency key is
 * answered from the record although the command would now be refused.
 */
export const unlessRecorded = async <Command, Rejection extends { readonly reason: string }>(
  commands: Commands,
  caller: Caller,
  aggregate: Aggregate<Command, Rejection>,
  { id, context }: { readonly id: string; readonly context: CommandContext },
  work: () => Promise<Result<Accepted, Rejection>>,
): Promise<Result<Accepted, Rejection>> => {
  try {
    return await work();
  } catch (error) {
    if (caller.idempotencyKey === undefined || !(error instanceof AppError) || error.retryable) throw error;
    const position = await aggregate.handlerOf(commands).recorded(aggregate.streamOf(caller.tenant, id), context);
    if (position === undefined) throw error;
    return ok({ id, position, repeated: true });
  }
};

/** A pool, and where the caller's input names it. */
type NamedPool = { readonly pointer: string; readonly pool: string };

/** Errors: `AppError` `BAD_USER_INPUT` when a pool would come into use that there is no room for. A repeat is answered from the record. */
export const unlessPoolsAreFull = <Command, Rejection extends { readonly reason: string }>(
  commands: Commands,
  caller: Caller,
  aggregate: Aggregate<Command, Rejection>,
  request: { readonly id: string; readonly context: CommandContext; readonly pools: readonly NamedPool[] },
  work: () => Promise<Result<Accepted, Rejection>>,
): Promise<Result<Accepted, Rejection>> => {
  const { pools } = commands;
  const refused = request.pools.filter(({ pool }) => pools?.admits(pool) === false);
  if (pools === undefined || refused.length === 0) return work();
  return unlessRecorded(commands, caller, aggregate, request, async () => {
    throw badInput(
      refused.map(({ pointer, pool }) => ({
        pointer,
        code: 'TOO_MANY_POOLS',
        message: `at most ${pools.limit} pools may have agents or open work at a time; ${JSON.stringify(pool)} would be one more`,
      })),
    );
  });
};

type Refusable = { readonly id: string; readonly context: CommandContext };

/** Errors: as `admit`, which is asked first; a repeat is answered from the record although there is no room now. */
export const unlessRefused = async <Command, Rejection extends { readonly reason: string }>(
  commands: Commands,
  caller: Caller,
  aggregate: Aggregate<Command, Rejection>,
  { id, context, admit }: Refusable & { readonly admit: () => (() => void) | undefined },
  work: () => Promise<Result<Accepted, Rejection>>,
): Promise<Result<Accepted, Rejection>> => {
  let takeBack: (() => void) | undefined;
  try {
    takeBack = admit();
  } catch (error) {
    if (caller.idempotencyKey === undefined) throw error;
    const position = await aggregate.handlerOf(commands).recorded(aggregate.streamOf(caller.tenant, id), context);
    if (position === undefined) throw error;
    return ok({ id, position, repeated: true });
  }
  let result: Result<Accepted, Rejection> | undefined;
  try {
    result = await work();
    return result;
  } finally {
    if (!result?.ok || result.value.repeated) takeBack?.();
  }
};

/** Runs a command of one kind of aggregate on the one with this id. `body` distinguishes a repeat of an idempotency key from its reuse. */
export type RunOn<Command, Rejection> = (
  commands: Commands,
  caller: Caller,
  id: string,
  body: unknown,
  toCommand: (now: string) => Command,
) => Promise<Result<Accepted, Rejection>>;

/** Errors: as `run`; `NOT_FOUND` also for a malformed id. */
const runnerOf =
  <Command extends { readonly type: string }, Rejection extends { readonly reason: string }>(
    aggregate: Aggregate<Command, Rejection>,
  ): RunOn<Command, Rejection> =>
  async (commands, caller, id, body, toCommand) => {
    if (!aggregate.Id.safeParse(id).success) throw notFound(aggregate.kind, JSON.stringify(id));
    const now = nowOf(commands);
    const command = toCommand(now);
    const context = contextOf(commands, caller, `${command.type}/${id}`, body);
    return run(commands, caller, aggregate, { id, command, now, context });
  };

/** Makes commands as callers call them: their input is checked against the schema first. */
const acceptorOf =
  <Command, Rejection>(runOn: RunOn<Command, Rejection>) =>
  <Schema extends z.ZodType>(
    schema: Schema,
    toCommand: (body: z.output<Schema>, now: string, caller: Caller, id: string) => Command,
  ) =>
  (commands: Commands, caller: Caller, id: string, input: unknown = {}): Promise<Result<Accepted, Rejection>> => {
    const body = parseInput(schema, input);
    return runOn(commands, caller, id, body, (now) => toCommand(body, now, caller, id));
  };

/** The tasks that an execution submits are routed by the rules, too. */
const withRouting = async (
  { routing }: Commands,
  { tenant }: Caller,
  command: ExecutionCommand,
): Promise<ExecutionCommand> =>
  routing === undefined ? command : { ...command, routing: { tenant, rules: await routing.known(tenant) } };

/** The rules of a tenant, of which each command names one. */
export const RULES = {
  kind: 'rule' as const,
  Id: RuleName,
  streamOf: rulesStream,
  handlerOf: ({ rules }: Commands) => rules,
  isFlow: false,
};
export const AGENT = {
  kind: 'agent' as const,
  Id: AgentId,
  streamOf: agentStream,
  handlerOf: ({ agents }: Commands) => agents,
  isFlow: false,
};
export const TASK = {
  kind: 'task' as const,
  Id: TaskId,
  streamOf: taskStream,
  handlerOf: ({ tasks }: Commands) => tasks,
  isFlow: true,
};
export const EXECUTION = {
  kind: 'execution' as const,
  Id: ExecutionId,
  streamOf: executionStream,
  handlerOf: ({ executions }: Commands) => executions,
  complete: withRouting,
  isFlow: true,
};
export const WORKFLOW = {
  kind: 'workflow' as const,
  Id: WorkflowName,
  streamOf: workflowStream,
  handlerOf: ({ workflows }: Commands) => workflows,
  isFlow: false,
};

const POOL = {
  kind: 'pool' as const,
  Id: PoolId,
  streamOf: admissionStream,
  handlerOf: ({ poolControls }: Commands) => poolControls,
  isFlow: false,
};

const runOnAgent = runnerOf<AgentCommand, AgentRejection>(AGENT);
/** For a task with a stream of its own; see `task/task-stream.ts`. */
export const runOnTask = runnerOf<TaskCommand, TaskRejection>(TASK);
export const runOnExecution = runnerOf<ExecutionCommand, ExecutionRejection>(EXECUTION);
const runOnWorkflow = runnerOf<WorkflowCommand, WorkflowRejection>(WORKFLOW);

const runOnPool = runnerOf<PoolCommand, PoolRejection>(POOL);

export const agentCommand = acceptorOf(runOnAgent);
export const taskCommand = acceptorOf(runOnTask);
export const executionCommand = acceptorOf(runOnExecution);
export const workflowCommand = acceptorOf(runOnWorkflow);
export const poolCommand = acceptorOf(runOnPool);
