import type { TaskEvent } from '../../task/events.ts';
import type { DataOf } from '../events.ts';
import { type Compensation, IDLE, type Running, type UnitCompensation } from '../state.ts';
import { compensatedBy } from '../unit.ts';
import { isOpen, unitAfter } from './units.ts';

export const changeCompensation = (
  execution: Running,
  key: string,
  change: (before: UnitCompensation) => UnitCompensation,
): Running => {
  const { compensation } = execution;
  const before = compensation?.units.get(key);
  if (compensation === undefined || before === undefined) return execution;
  const after = change(before);
  return {
    ...execution,
    compensation: { ...compensation, units: new Map(compensation.units).set(key, after) },
    openTasks: execution.openTasks + isOpen(after.state) - isOpen(before.state),
  };
};

export const evolveCompensationTask = (execution: Running, key: string, event: TaskEvent): Running =>
  changeCompensation(execution, compensatedBy(key), (before) => {
    const state = unitAfter(before.state, event, execution.nextSeq);
    // What a person has skipped stays skipped when a lost compensation answers after all.
    const follows = before.status !== 'skipped' && (state.phase === 'open' || state.phase === 'completed');
    return { ...before, state, status: follows ? state.phase : before.status };
  });

export const compensationStarted = (execution: Running, { strategy, plan }: DataOf<'CompensationStarted'>): Running => {
  const units = new Map<string, UnitCompensation>(
    plan.map(({ unit, after }) => [unit, { unit, after, status: 'pending', handedOverTo: undefined, state: IDLE }]),
  );
  const compensation: Compensation = { strategy, units };
  return { ...execution, status: 'compensating', compensation };
};
