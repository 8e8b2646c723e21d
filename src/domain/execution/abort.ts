import type { AttemptError } from '../task/events.ts';
import type { Step } from '../workflow/compile.ts';
import type { CompensationStrategy } from '../workflow/definition.ts';
import { fatalStep } from './start-steps.ts';
import type { Running } from './state.ts';
import type { Turn } from './turn.ts';

type AbortFacts = {
  readonly reason: 'step_failed' | 'cancelled' | 'deadline_passed';
  readonly unit?: string | undefined;
  readonly error?: AttemptError | undefined;
  readonly comment?: string | undefined;
  readonly compensate: boolean;
  readonly strategy: CompensationStrategy;
  readonly interrupt: boolean;
};

export const abort = (turn: Turn, { unit, error, comment, ...facts }: AbortFacts): void =>
  turn.emit({
    type: 'ExecutionAborting',
    data: {
      executionId: turn.state.executionId,
      ...facts,
      ...(unit === undefined ? {} : { unit }),
      ...(error === undefined ? {} : { error }),
      ...(comment === undefined ? {} : { comment }),
      abortedAt: turn.now,
    },
  });

/** Whether anything could be compensated at all. */
export const canCompensate = ({ pivotPassed, compiled }: Running): boolean =>
  !pivotPassed && compiled.steps.some(({ compensation, kind }) => compensation !== undefined || kind === 'workflow');

/** A step failed permanently, and with it the execution. */
export const abortForStep = (turn: Turn, unit: string, error: AttemptError): void =>
  abort(turn, {
    reason: 'step_failed',
    unit,
    error,
    compensate: canCompensate(turn.state),
    strategy: turn.state.compiled.definition.saga.strategy,
    interrupt: false,
  });

/** After a task of a step has ended: its failure may be the execution's. */
export const judgeStep = (turn: Turn, step: Step, unit: string) => {
  const error = turn.state.abort === undefined ? fatalStep(turn.state, step) : undefined;
  if (error) abortForStep(turn, unit, error);
};
