import { type Compensable, orderOfCompensation, type PlannedCompensation } from '../compensation/plan.ts';
import type { CompensationStrategy } from '../workflow/definition.ts';
import type { Running } from './state.ts';
import { unitKeyOf } from './unit.ts';
import type { UnitState } from './unit-state.ts';

/** A completed unit is compensated, and so is one whose outcome nobody knows (reliability R17, S11). */
const isCompensable = ({ phase, uncertain }: UnitState): boolean =>
  phase === 'completed' || (uncertain && phase !== 'open');

/** Units to be compensated, in the order in which they ended. */
const compensableUnits = (execution: Running): Compensable[] => {
  const units: Compensable[] = [];
  for (const step of execution.compiled.steps) {
    const state = execution.steps.get(step.index);
    // A sub-workflow without a compensation of its own is compensated by those of its steps.
    if (step.compensation === undefined && state.childId === undefined) continue;
    // What another execution did is compensated by that one.
    if (state.reused) continue;
    if (state.items === undefined) {
      if (isCompensable(state.unit)) units.push({ key: step.id, step, seq: state.unit.seq });
      continue;
    }
    let item = 0;
    for (const unit of state.items.units) {
      if (isCompensable(unit))
        units.push({ key: unitKeyOf({ stepId: step.id, item, compensates: false }), step, seq: unit.seq });
      item += 1;
    }
  }
  return units.sort((a, b) => a.seq - b.seq);
};

/** Nobody knows whether the pivot took effect: going back could compensate what must remain. */
export const pivotInDoubt = (execution: Running): boolean =>
  execution.compiled.steps.some(
    ({ index, definition }) => definition.pivot && execution.steps.get(index).unit.uncertain,
  );

/**
 * What would be compensated if the execution ended here, and in which order: see `orderOfCompensation`. Empty once a pivot has completed, or
 * may have: then there is no way back.
 *
 * @param failed the unit whose failure is the cause
 */
export const planCompensation = (
  execution: Running,
  strategy: CompensationStrategy,
  failed?: string,
): readonly PlannedCompensation[] =>
  execution.pivotPassed || pivotInDoubt(execution)
    ? []
    : orderOfCompensation(execution.compiled, compensableUnits(execution), strategy, failed);
