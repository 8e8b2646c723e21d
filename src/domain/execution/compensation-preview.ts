import type { PlannedCompensation } from '../compensation/plan.ts';
import type { CompensationStrategy } from '../workflow/definition.ts';
import { pivotInDoubt, planCompensation } from './plan-compensation.ts';
import type { Running } from './state.ts';
import { stepsOf } from './steps.ts';
import { unitKeyOf } from './unit.ts';

/** What would be compensated if the execution were aborted now. */
export type CompensationPreview = {
  /** `begun`: compensation is under way. The pivots: there is no way back. */
  readonly verdict: 'begun' | 'pivot_passed' | 'pivot_in_doubt' | 'possible';
  readonly strategy: CompensationStrategy;
  readonly undos: readonly PlannedCompensation[];
  /** Units under way that have a compensation: whether they need it is known when they end. */
  readonly mayBeOwed: readonly string[];
};

const undecidedUnits = (execution: Running): string[] =>
  stepsOf(execution).flatMap(({ step, state }) => {
    if ((step.compensation === undefined && step.kind !== 'workflow') || state.reused) return [];
    if (state.items === undefined) return state.phase === 'open' || state.waiting?.kind === 'workflow' ? [step.id] : [];
    return [...state.items.units].flatMap(({ phase }, item) =>
      phase === 'open' ? [unitKeyOf({ stepId: step.id, item, compensates: false })] : [],
    );
  });

const verdictOf = (execution: Running): CompensationPreview['verdict'] => {
  if (execution.compensation) return 'begun';
  if (execution.pivotPassed) return 'pivot_passed';
  return pivotInDoubt(execution) ? 'pivot_in_doubt' : 'possible';
};

/** Exactly what the decider would plan on this state. */
export const previewCompensation = (
  execution: Running,
  strategy: CompensationStrategy = execution.compiled.definition.saga.strategy,
): CompensationPreview => {
  const hasWayBack = !execution.pivotPassed && !pivotInDoubt(execution);
  return {
    verdict: verdictOf(execution),
    strategy,
    undos: planCompensation(execution, strategy, execution.abort?.unit),
    mayBeOwed: hasWayBack ? undecidedUnits(execution) : [],
  };
};
