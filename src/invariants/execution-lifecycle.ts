import type { ExecutionEvent } from '../domain/execution/events.ts';
import type { ExecutionEntryStatus } from './execution-entry.ts';
import type { Sometimes } from './sometimes.ts';

export type ExecutionEventType = ExecutionEvent['type'];
type Row = Partial<Record<ExecutionEventType, ExecutionEntryStatus>>;

const STEP_EVENTS = ['StepExpanded', 'StepWaiting', 'StepCompleted', 'StepFailed', 'StepSkipped'] as const;

const row = (status: ExecutionEntryStatus, types: readonly ExecutionEventType[]): Row =>
  Object.fromEntries(types.map((type) => [type, status]));

/** The lifecycle of an execution (S4), written from the requirements. Being paused is independent of the status. */
export const NEXT_STATUS: Readonly<Record<ExecutionEntryStatus | 'none', Row>> = {
  none: { ExecutionStarted: 'executing' },
  executing: {
    ...row('executing', [
      ...STEP_EVENTS,
      'ExecutionPaused',
      'ExecutionResumed',
      'ExecutionSignalled',
      'ExecutionMigrated',
      'ExecutionContinued',
    ]),
    ExecutionAborting: 'aborting',
    ExecutionCompleted: 'completed',
    // The output of the execution as a whole could not be computed.
    ExecutionFailed: 'failed',
  },
  aborting: {
    // It waits for its sub-workflows.
    ...row('aborting', ['StepCompleted', 'StepFailed', 'ExecutionPaused', 'ExecutionResumed', 'ExecutionSignalled']),
    // It no longer waits for agents.
    ExecutionAborting: 'aborting',
    CompensationStarted: 'compensating',
    ExecutionFailed: 'failed',
    ExecutionCancelled: 'cancelled',
  },
  compensating: {
    ...row('compensating', ['ExecutionPaused', 'ExecutionResumed', 'ExecutionSignalled']),
    // A plan that is too long for one append comes in parts.
    ...row('compensating', ['CompensationStarted', 'ExecutionContinued']),
    ...row('compensating', ['CompensationWaiting', 'CompensationCompleted']),
    ...row('compensating', ['CompensationParked', 'CompensationSkipped', 'CompensationHandedOver']),
    ExecutionCompensated: 'compensated',
    ExecutionCompensationFailed: 'compensation_failed',
  },
  compensation_failed: {
    ...row('compensation_failed', ['ExecutionSignalled', 'CompensationParked', 'CompensationSkipped']),
    CompensationHandedOver: 'compensation_failed',
    CompensationCompleted: 'compensation_failed',
    CompensationWaiting: 'compensating',
    ExecutionCompensated: 'compensated',
  },
  failed: { ExecutionReopened: 'executing', ExecutionAborting: 'aborting', ExecutionMigrated: 'failed' },
  // It is compensated with its parent.
  completed: { ExecutionReopened: 'executing' },
  cancelled: {},
  compensated: {},
};

export const EXECUTION_EVENT_TYPES: ReadonlySet<string> = new Set(
  Object.values(NEXT_STATUS).flatMap((next) => Object.keys(next)),
);
export const FINAL_STATUSES: ReadonlySet<ExecutionEntryStatus> = new Set(['completed', 'cancelled', 'compensated']);
/** Nothing more happens without a person. */
export const SETTLED_STATUSES: ReadonlySet<ExecutionEntryStatus> = new Set([
  ...FINAL_STATUSES,
  'failed',
  'compensation_failed',
]);

export const SITUATION_OF: Partial<Record<ExecutionEventType, Sometimes>> = {
  ExecutionCompleted: 'execution completed',
  ExecutionFailed: 'execution failed',
  ExecutionCompensated: 'execution compensated',
  ExecutionCompensationFailed: 'compensation failed permanently',
  ExecutionCancelled: 'execution cancelled',
  ExecutionReopened: 'execution reopened',
  ExecutionResumed: 'paused and resumed',
};
