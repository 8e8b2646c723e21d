import type { PoolRejection } from '../domain/admission/pool-control.ts';
import type { AgentRejection } from '../domain/agent/decider.ts';
import type { ExecutionRejection } from '../domain/execution/decision.ts';
import type { RuleRejection } from '../domain/rules/decider.ts';
import type { TaskRejection } from '../domain/task/decision.ts';
import type { WorkflowRejection } from '../domain/workflow/decider.ts';

type Refused = { readonly reason: string };

/** Each reason of a union of rejections, and what it means for the caller. */
export type Reasons<Rejection extends Refused> = {
  readonly [Reason in Rejection['reason']]: (rejection: Extract<Rejection, { reason: Reason }>) => string;
};

/** The sentence for a rejection. */
export const messageIn = <Rejection extends Refused>(reasons: Reasons<Rejection>, rejection: Rejection): string =>
  (reasons[rejection.reason as Rejection['reason']] as (rejection: Rejection) => string)(rejection);

/** Whether the reason is one of these. A decider may have reasons that callers of the API never see. */
export const isAmong = <Rejection extends Refused>(
  reasons: Reasons<Rejection>,
  rejection: Refused,
): rejection is Rejection => Object.hasOwn(reasons, rejection.reason);

/** The reasons themselves, in the order in which they are listed. */
export const reasonsIn = <Rejection extends Refused>(reasons: Reasons<Rejection>): Rejection['reason'][] =>
  Object.keys(reasons) as Rejection['reason'][];

/** A task that an execution runs is cancelled and redriven by the execution. */
export type TaskOfExecution = {
  readonly reason: 'TaskOfExecution';
  readonly executionId: string;
  readonly unit: string | null;
  /** Mutations of the execution that do what the caller wanted. */
  readonly instead: string;
};

export type TaskRefusal = TaskRejection | TaskOfExecution;

export const TASK_REASONS: Reasons<TaskRefusal> = {
  TaskAlreadyExists: () => 'a task with this id exists',
  TaskNotFound: () => 'there is no such task',
  TaskNotCancellable: ({ status }) => `a task that is ${status} cannot be cancelled`,
  TaskNotRedrivable: ({ status }) =>
    `a task that is ${status} cannot be redriven; only dead-lettered and indeterminate ones can`,
  TaskNotRunning: ({ status }) => `the task is ${status}: it has no running attempt`,
  StaleAttempt: ({ attempt, current }) => `attempt ${attempt} is not the current one, which is ${current}`,
  AttemptAlreadyStarted: ({ attempt }) => `attempt ${attempt} has already started`,
  DeadlinePassed: ({ deadlineAt }) => `the deadline ${deadlineAt} has passed`,
  TaskOfExecution: ({ executionId, unit, instead }) =>
    `the task is ${unit ?? 'a step'} of execution ${executionId}: use ${instead}`,
};

export const AGENT_REASONS: Reasons<AgentRejection> = {
  AgentNotFound: () => 'there is no such agent',
  AgentAlreadyRegistered: () =>
    'an agent with this id is registered with another profile; pass `replace: true` to replace it',
  AgentIsDraining: () =>
    'the agent is registered, but it is draining: undrain it to give it work again, or pass `replace: true`',
  AgentAlreadyDraining: () => 'the agent is already draining',
  AgentNotDraining: () => 'the agent is not draining',
  AgentAlreadyInMaintenance: () => 'the agent is already under maintenance',
  AgentNotInMaintenance: () => 'the agent is not under maintenance',
  AgentPoolIsFixed: ({ pool }) => `the agent belongs to pool ${pool}; deregister it to move it`,
};

export const POOL_REASONS: Reasons<PoolRejection> = {
  PoolAlreadyPaused: ({ since }) => `the pool is paused already, since ${since}`,
  PoolNotPaused: () => 'the pool is not paused',
};

export const RULE_REASONS: Reasons<RuleRejection> = {
  RuleNotFound: () => 'there is no such rule',
  RuleAlreadyEnabled: () => 'the rule is enabled already',
  RuleAlreadyDisabled: () => 'the rule is disabled already',
  TooManyRules: ({ limit }) => `there are ${limit} rules already, which is the limit: remove one first`,
};

/** Why a command of an execution is refused. Rejections of an attempt of one of its tasks go to agents only. */
export type OwnExecutionRejection = Exclude<ExecutionRejection, TaskRejection>;

export const EXECUTION_REASONS: Reasons<OwnExecutionRejection> = {
  ExecutionAlreadyExists: () => 'an execution with this id exists',
  ExecutionNotFound: () => 'there is no such execution',
  ExecutionEnded: ({ status }) => `the execution is ${status}`,
  ExecutionNotPausable: ({ status }) => `an execution that is ${status} cannot be paused`,
  ExecutionNotPaused: ({ status }) => `the execution is ${status}, not paused`,
  ExecutionNotCancellable: ({ status }) => `an execution that is ${status} cannot be cancelled`,
  ExecutionNotRetryable: ({ status }) => `an execution that is ${status} cannot be retried; only failed ones can`,
  ExecutionNotMigratable: ({ status, problems }) =>
    `an execution that is ${status} cannot be moved: ${problems.slice(0, 3).join('; ')}`,
  PivotPassed: () => 'a pivot has completed: nothing can be compensated any more',
  StepNotFound: ({ step }) => `there is no step ${step}`,
  StepNotWaiting: ({ step, status }) => `step ${step} does not wait for a decision: it is ${status}`,
  StepNotRetryable: ({ step, status }) => `step ${step} cannot be retried: it is ${status}`,
  StepNotSkippable: ({ step, status }) => `step ${step} cannot be skipped: it is ${status}`,
  StepTakesNoInput: ({ step }) =>
    step === '' ? 'name the step that the input is for' : `step ${step} does not accept an input`,
  UnknownOption: ({ step, options }) => `step ${step} has no such option; its options are ${options.join(', ')}`,
  UnknownSignal: ({ name, names, suggestion }) =>
    `no step of the workflow waits for an event ${name}${suggestion === undefined ? '' : ` (did you mean ${suggestion}?)`}; ${names.length === 0 ? 'it waits for no events' : `it waits for ${names.join(', ')}`}`,
  TooManySignals: ({ limit }) => `${limit} events from outside already wait for a step`,
  CompensationNotFound: ({ unit }) => `the execution has no compensation of ${unit}`,
  CompensationNotParked: ({ unit, status }) => `the compensation of ${unit} is not parked: it is ${status}`,
};

/** Why a command of a workflow is refused. A workflow that does not exist is a `NOT_FOUND` error instead. */
export type WorkflowRefusal = Exclude<WorkflowRejection, { reason: 'WorkflowNotFound' }>;

export const WORKFLOW_REASONS: Reasons<WorkflowRefusal> = {
  VersionNotFound: ({ version }) => `there is no version ${version}`,
  VersionTaken: ({ version }) =>
    `version ${version} was published with other content, and published versions never change: publish another version`,
  VersionArchived: ({ version }) => `version ${version} is archived`,
};
