import type { TaskEvent } from '../../task/events.ts';
import { Compensations } from '../compensations.ts';
import type { DataOf } from '../events.ts';
import type { Running } from '../state.ts';
import { compensatedBy } from '../unit.ts';
import type { UnitCompensation } from '../unit-state.ts';
import { isOpen, unitAfter } from './units.ts';

/** For a sub-workflow to be compensated: no task of this execution does that. */
const isWaiting = ({ status, state }: UnitCompensation): number =>
  Number(status === 'open' && state.task === undefined);

export const changeCompensation = (
  execution: Running,
  key: string,
  change: (before: UnitCompensation) => UnitCompensation,
): Running => {
  const { compensation } = execution;
  const before = compensation?.units.get(key);
  if (compensation === undefined || before === undefined) return execution;
  const units = compensation.units.changed(key, change);
  const after = units.get(key) ?? before;
  return {
    ...execution,
    compensation: { ...compensation, units },
    openTasks: execution.openTasks + isOpen(after.state) - isOpen(before.state),
    openChildren: execution.openChildren + isWaiting(after) - isWaiting(before),
  };
};

export const evolveCompensationTask = (execution: Running, key: string, event: TaskEvent): Running =>
  changeCompensation(execution, compensatedBy(key), (before) => {
    const state = unitAfter(before.state, event, execution.nextSeq);
    // What a person has skipped stays skipped when a lost compensation answers after all.
    const follows = before.status !== 'skipped' && (state.phase === 'open' || state.phase === 'completed');
    return { ...before, state, status: follows ? state.phase : before.status };
  });

export const compensationStarted = (
  execution: Running,
  { strategy, plan, owed }: DataOf<'CompensationStarted'>,
): Running => {
  const goesOn = execution.compiled.definition.saga.onCompensationFailure === 'continue';
  const known = execution.compensation?.units ?? Compensations.none(goesOn);
  return {
    ...execution,
    status: 'compensating',
    compensation: { strategy, units: known.with(plan), owed: execution.compensation?.owed ?? owed },
  };
};

/** A person who has it tried again sets the whole going again. */
export const compensationWaiting = (execution: Running, { unit }: DataOf<'CompensationWaiting'>): Running => ({
  ...changeCompensation(execution, unit, (before) => ({ ...before, status: 'open' })),
  status: 'compensating',
});
