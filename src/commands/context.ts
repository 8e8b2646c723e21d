import { hash as digestOf } from 'node:crypto';
import { z } from 'zod';
import type { AdmissionEvent } from '../domain/admission/events.ts';
import type { PoolCommand, PoolControl, PoolRejection } from '../domain/admission/pool-control.ts';
import type { AgentCommand } from '../domain/agent/commands.ts';
import type { Agent, AgentRejection } from '../domain/agent/decider.ts';
import type { AgentEvent } from '../domain/agent/events.ts';
import type { ExecutionCommand } from '../domain/execution/commands.ts';
import type { ExecutionRejection } from '../domain/execution/decision.ts';
import type { ExecutionStreamEvent } from '../domain/execution/events.ts';
import type { Execution } from '../domain/execution/state.ts';
import { commandIdOf } from '../domain/ids.ts';
import { pointerOf } from '../domain/json-pointer.ts';
import { ok, type Result, rejected } from '../domain/result.ts';
import type { RuleCommand, RuleRejection, Rules } from '../domain/rules/decider.ts';
import type { RuleEvent } from '../domain/rules/events.ts';
import type { RuleSet } from '../domain/rules/rule-set.ts';
import type { TaskCommand } from '../domain/task/commands.ts';
import type { TaskRejection } from '../domain/task/decision.ts';
import type { TaskEvent } from '../domain/task/events.ts';
import type { Task } from '../domain/task/state.ts';
import type { WorkflowCommand, WorkflowRejection, WorkflowVersions } from '../domain/workflow/decider.ts';
import type { WorkflowEvent } from '../domain/workflow/events.ts';
import type { Position } from '../eventstore/event-store.ts';
import { canonicalJson } from '../eventstore/provenance.ts';
import type { Clock, Ids, Random } from '../platform/clock.ts';
import { AppError, boundedIssues, type InputIssue, MAX_ISSUES } from '../platform/errors.ts';
import type { AggregateHandler, CommandContext } from './aggregate-handler.ts';

export type TaskHandler = AggregateHandler<Task, TaskCommand, TaskEvent, TaskRejection>;
export type AgentHandler = AggregateHandler<Agent, AgentCommand, AgentEvent, AgentRejection>;
export type PoolControlHandler = AggregateHandler<PoolControl, PoolCommand, AdmissionEvent, PoolRejection>;
export type RulesHandler = AggregateHandler<Rules, RuleCommand, RuleEvent, RuleRejection>;
export type WorkflowHandler = AggregateHandler<WorkflowVersions, WorkflowCommand, WorkflowEvent, WorkflowRejection>;
export type ExecutionHandler = AggregateHandler<Execution, ExecutionCommand, ExecutionStreamEvent, ExecutionRejection>;

/** What every command needs of its surroundings. */
export type Commands = {
  readonly tasks: TaskHandler;
  readonly agents: AgentHandler;
  readonly workflows: WorkflowHandler;
  readonly executions: ExecutionHandler;
  readonly poolControls: PoolControlHandler;
  readonly rules: RulesHandler;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly random: Random;
  readonly cards: AgentCardSource;
  /** Default: any number of pools may be in use. */
  readonly pools?: PoolAdmission;
  /** Default: there are no rules. */
  readonly routing?: RoutingRules;
  /** Default: any number of tasks may wait. */
  readonly admission?: TaskAdmission;
};

/** A task that somebody wants to submit. */
export type AdmittedTask = { readonly taskId: string; readonly pool: string; readonly priority: number };

/** Whether there is room for another task to wait. Work of executions that were accepted is never asked for. */
export type TaskAdmission = {
  /** Errors: `AppError` `POOL_FULL`, retryable, with the time to wait, when tasks of that priority are refused. */
  check(pool: string, priority: number): void;
  /** As `check`, and counts the task from then on. Returns how to take it back when it was not recorded. */
  admit(task: AdmittedTask): () => void;
};

/** The rules of routing that are in force, as this process knows them. */
export type RoutingRules = {
  /** Errors: `AppError` `UNAVAILABLE` while they cannot be read: a task is not routed otherwise than it should be. */
  current(tenant: string): Promise<RuleSet>;
  /** As `current`; those that this process knew last where they cannot be read, so that what agents have done is recorded all the same. */
  known(tenant: string): Promise<RuleSet>;
  /** Those of the tenant were changed. */
  changed(tenant: string): void;
};

/** Whether work for a pool, or an agent in it, is accepted. */
export type PoolAdmission = {
  /** Pools in use at a time. */
  readonly limit: number;
  /** False for a pool that is not in use, when as many are as may be. */
  admits(pool: string): boolean;
};

/** Fetches an agent card; a port, so that the egress rules are in one place. */
export type AgentCardSource = {
  /** Errors: `AppError` `BAD_USER_INPUT` with the reason when the card cannot be fetched or is not an agent card. */
  fetch(cardUrl: string): Promise<AgentCardFacts>;
};

export type AgentCardFacts = {
  readonly name: string;
  readonly description: string | undefined;
  readonly skills: readonly string[];
  /** The card as JSON, checked for what the log cannot hold. */
  readonly card: import('../domain/json.ts').Json;
};

/** Who calls, and under which name the call may be repeated. */
export type Caller = {
  readonly tenant: string;
  readonly actor: string;
  readonly idempotencyKey?: string | undefined;
  readonly correlationId?: string | undefined;
  readonly causationId?: string | undefined;
  readonly traceparent?: string | undefined;
};

/** Answer to an accepted command. */
export type Accepted = {
  readonly id: string;
  /** Pass it as `atLeast` to a query to see this command's effect. */
  readonly position: Position;
  readonly repeated: boolean;
};

const MAX_KEY_LENGTH = 255;
const PRINTABLE = /^[\x20-\x7e]+$/;

/** Errors: `AppError` `BAD_USER_INPUT` at `/idempotencyKey`. */
export const checkKey = (key: string): void => {
  if (key.length > MAX_KEY_LENGTH || !PRINTABLE.test(key))
    throw badInput([
      {
        pointer: '/idempotencyKey',
        code: 'BAD_IDEMPOTENCY_KEY',
        message: `1 to ${MAX_KEY_LENGTH} printable ASCII characters`,
      },
    ]);
};

/**
 * The context a command is recorded under.
 *
 * With an idempotency key the command id follows from (tenant, scope, key), and the body's digest is stored to tell a repeat from a reuse.
 *
 * @param scope command and target, e.g. `CancelTask/<id>`: the same key for another target is another intent
 * @param body what the caller asked for, after defaults
 */
export const contextOf = (
  commands: Pick<Commands, 'ids'>,
  caller: Caller,
  scope: string,
  body: unknown,
): CommandContext => {
  const key = caller.idempotencyKey;
  if (key !== undefined) checkKey(key);
  const commandId = key === undefined ? commands.ids.next() : commandIdOf(caller.tenant, scope, key);
  return {
    tenant: caller.tenant,
    commandId,
    correlationId: caller.correlationId ?? commandId,
    causationId: caller.causationId ?? commandId,
    actor: caller.actor,
    ...(key === undefined
      ? {}
      : {
          // Another process may be deciding the same command: each call's events have ids of their own.
          idsFrom: commands.ids.next(),
          fingerprint: digestOf('sha256', canonicalJson(body), 'hex'),
        }),
    ...(caller.traceparent === undefined ? {} : { traceparent: caller.traceparent }),
  };
};

/** Says what is wrong with an input; beyond `MAX_ISSUES` only how much more there is. */
export const badInput = (issues: readonly InputIssue[], found = issues.length): AppError => {
  const texts = boundedIssues(issues).map((issue) => `${issue.pointer || '/'}: ${issue.message}`);
  const more = found > texts.length ? [`and ${found - texts.length} more`] : [];
  return new AppError('BAD_USER_INPUT', [...texts, ...more].join('; '), { issues });
};

const seenAt = (root: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (value, key) =>
      value !== null && typeof value === 'object' ? (value as Record<PropertyKey, unknown>)[key] : undefined,
    root,
  );

const shown = (value: unknown): string => {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
};

const ISSUE_CODES: Readonly<Record<string, string>> = {
  too_small: 'OUT_OF_RANGE',
  too_big: 'OUT_OF_RANGE',
  unrecognized_keys: 'UNKNOWN_FIELD',
  invalid_type: 'WRONG_TYPE',
  invalid_value: 'NOT_ALLOWED',
  invalid_format: 'BAD_FORMAT',
};

const issueOf = (issue: z.core.$ZodIssue, input: unknown): InputIssue => {
  const params = issue.code === 'custom' ? issue.params : undefined;
  const path = issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0] as string] : issue.path;
  const code = typeof params?.['code'] === 'string' ? params['code'] : (ISSUE_CODES[issue.code] ?? 'INVALID');
  const inner = typeof params?.['pointer'] === 'string' ? params['pointer'] : '';
  const pointer = `${pointerOf(path)}${inner}`;
  const got =
    issue.code === 'custom' || issue.code === 'unrecognized_keys' ? '' : `, got ${shown(seenAt(input, path))}`;
  return { pointer, code, message: `${issue.message}${got}` };
};

/** As `parseInput`, for those who have more to say about the input than what is wrong with its shape. `found` counts all issues. */
export const checkShape = <Schema extends z.ZodType>(
  schema: Schema,
  input: unknown,
  most: number,
): Result<z.output<Schema>, { readonly issues: readonly InputIssue[]; readonly found: number }> => {
  const parsed = schema._zod.run({ value: input, issues: [] }, { async: false });
  if (parsed instanceof Promise) throw new Error('bug: the schema of an input is asynchronous');
  if (parsed.issues.length === 0) return ok(parsed.value as z.output<Schema>);
  const first = parsed.issues.slice(0, most).map((issue) => z.core.util.finalizeIssue(issue, {}, z.core.config()));
  return rejected({ issues: first.map((issue) => issueOf(issue, input)), found: parsed.issues.length });
};

/**
 * Checks a caller's input against the command's schema. Zod's own errors describe every issue, which for a list of mistakes takes far
 * longer than to find them; here only the first `most` are described.
 *
 * Errors: `AppError` `BAD_USER_INPUT` that names the bad fields with their limits and the values seen.
 */
export const parseInput = <Schema extends z.ZodType>(
  schema: Schema,
  input: unknown,
  { most = MAX_ISSUES }: { readonly most?: number } = {},
): z.output<Schema> => {
  const checked = checkShape(schema, input, most);
  if (checked.ok) return checked.value;
  throw badInput(checked.rejection.issues, checked.rejection.found);
};
