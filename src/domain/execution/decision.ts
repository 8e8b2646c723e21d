import type { DecidedState } from '../decider.ts';
import type { Result } from '../result.ts';
import type { TaskRejection } from '../task/decision.ts';
import type { ExecutionStreamEvent } from './events.ts';
import type { Execution, ExecutionStatus, StepPhase } from './state.ts';
import type { CompensationStatus } from './unit-state.ts';

export type ExecutionRejection =
  | { readonly reason: 'ExecutionAlreadyExists' }
  | { readonly reason: 'ExecutionNotFound' }
  /** Nothing can change it any more, or only a retry can. */
  | { readonly reason: 'ExecutionEnded'; readonly status: ExecutionStatus }
  | { readonly reason: 'ExecutionNotPausable'; readonly status: ExecutionStatus }
  | { readonly reason: 'ExecutionNotPaused'; readonly status: ExecutionStatus }
  | { readonly reason: 'ExecutionNotCancellable'; readonly status: ExecutionStatus }
  | { readonly reason: 'ExecutionNotRetryable'; readonly status: ExecutionStatus }
  | {
      readonly reason: 'ExecutionNotMigratable';
      readonly status: ExecutionStatus;
      readonly problems: readonly string[];
    }
  | { readonly reason: 'PivotPassed' }
  | { readonly reason: 'StepNotFound'; readonly step: string }
  | { readonly reason: 'StepNotWaiting'; readonly step: string; readonly status: StepPhase }
  | { readonly reason: 'StepNotRetryable'; readonly step: string; readonly status: StepPhase }
  | { readonly reason: 'StepNotSkippable'; readonly step: string; readonly status: StepPhase }
  | { readonly reason: 'StepTakesNoInput'; readonly step: string }
  | { readonly reason: 'UnknownOption'; readonly step: string; readonly options: readonly string[] }
  /** The definition has no step that waits for an event of this name. */
  | {
      readonly reason: 'UnknownSignal';
      readonly name: string;
      /** Those that it waits for, the first of many. */
      readonly names: readonly string[];
      /** What was probably meant. */
      readonly suggestion?: string;
    }
  | { readonly reason: 'TooManySignals'; readonly limit: number }
  | { readonly reason: 'CompensationNotFound'; readonly unit: string }
  | { readonly reason: 'CompensationNotParked'; readonly unit: string; readonly status: CompensationStatus }
  | TaskRejection;

/** What a command leads to: events and the state after them, or a refusal. */
export type Decision = Result<DecidedState<Execution, ExecutionStreamEvent>, ExecutionRejection>;
