import type { ExecutionRejection } from '../../../domain/execution/decider.ts';
import type { TaskRejection } from '../../../domain/task/decider.ts';
import type { WorkflowRejection } from '../../../domain/workflow/decider.ts';

/** Why a command of an execution is refused. What concerns an attempt of one of its tasks is said to agents, not here. */
export type OwnExecutionRejection = Exclude<ExecutionRejection, TaskRejection>;

type Messages<Rejection extends { readonly reason: string }> = {
  readonly [Reason in Rejection['reason']]: (rejection: Extract<Rejection, { reason: Reason }>) => string;
};

/** Each reason and what it means for the caller. */
export const EXECUTION_REASONS: Messages<OwnExecutionRejection> = {
  ExecutionAlreadyExists: () => 'an execution with this id exists',
  ExecutionNotFound: () => 'there is no such execution',
  ExecutionEnded: ({ status }) => `the execution is ${status}`,
  ExecutionNotPausable: ({ status }) => `an execution that is ${status} cannot be paused`,
  ExecutionNotPaused: ({ status }) => `the execution is ${status}, not paused`,
  ExecutionNotCancellable: ({ status }) => `an execution that is ${status} cannot be cancelled`,
  ExecutionNotRetryable: ({ status }) => `an execution that is ${status} cannot be retried; only failed ones can`,
  ExecutionNotMigratable: ({ status, problems }) =>
    `an execution that is ${status} cannot be moved: ${problems.slice(0, 3).join('; ')}`,
  PivotPassed: () => 'a pivot has completed: nothing can be undone any more',
  StepNotFound: ({ step }) => `there is no step ${step}`,
  StepNotWaiting: ({ step, status }) => `step ${step} does not wait for a decision: it is ${status}`,
  StepNotRetryable: ({ step, status }) => `step ${step} does not stand in the way: it is ${status}`,
  StepNotSkippable: ({ step, status }) => `step ${step} cannot be skipped: it is ${status}`,
  StepTakesNoInput: ({ step }) =>
    step === '' ? 'name the step that the input is for' : `step ${step} takes no input of a person's choice`,
  UnknownOption: ({ step, options }) => `step ${step} has no such option; there are ${options.join(', ')}`,
  TooManySignals: ({ limit }) => `${limit} events from outside wait already for a step to take them`,
  CompensationNotFound: ({ unit }) => `the execution owes no undo of ${unit}`,
  CompensationNotParked: ({ unit, status }) => `the undo of ${unit} does not wait at the desk: it is ${status}`,
};

const WORKFLOW_REASONS: Messages<WorkflowRejection> = {
  WorkflowNotFound: () => 'there is no such workflow',
  VersionNotFound: ({ version }) => `there is no version ${version}`,
  VersionTaken: ({ version }) =>
    `version ${version} was published with another content, and what was published is never changed: publish another version`,
  VersionArchived: ({ version }) => `version ${version} is archived`,
};

const messageIn = <Rejection extends { readonly reason: string }>(
  messages: Messages<Rejection>,
  rejection: Rejection,
): string => (messages[rejection.reason as Rejection['reason']] as (rejection: Rejection) => string)(rejection);

export const messageOfWorkflow = (rejection: WorkflowRejection): string => messageIn(WORKFLOW_REASONS, rejection);
export const messageOfExecution = (rejection: OwnExecutionRejection): string => messageIn(EXECUTION_REASONS, rejection);

export const isOwnRejection = (rejection: ExecutionRejection): rejection is OwnExecutionRejection =>
  Object.hasOwn(EXECUTION_REASONS, rejection.reason);
