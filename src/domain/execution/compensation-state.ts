import type { Running } from './state.ts';
import type { StepView } from './steps.ts';
import { parseUnit } from './unit.ts';
import type { CompensationStatus, UnitCompensation } from './unit-state.ts';

/**
 * What becomes of a unit's compensation, in the words of every protocol. `parked`: it failed permanently and waits for a person;
 * `handed_over`: a person takes care of it; `skipped`: a person decided that it is not needed.
 */
export const COMPENSATION_STATES = ['owed', 'running', 'parked', 'handed_over', 'completed', 'skipped'] as const;
export type CompensationState = (typeof COMPENSATION_STATES)[number];

const STATES = {
  pending: 'owed',
  open: 'running',
  parked: 'parked',
  completed: 'completed',
  skipped: 'skipped',
} as const satisfies Record<CompensationStatus, CompensationState>;

export const compensationStateOf = ({ status, handedOverTo }: UnitCompensation): CompensationState =>
  status === 'parked' && handedOverTo !== undefined ? 'handed_over' : STATES[status];

/** Of a step; what needs attention most comes first. `defined`: it has a compensation that is not needed so far. */
export const STEP_COMPENSATION_STATES = [
  'parked',
  'handed_over',
  'running',
  'owed',
  'skipped',
  'completed',
  'defined',
] as const satisfies readonly (CompensationState | 'defined')[];
export type StepCompensationState = (typeof STEP_COMPENSATION_STATES)[number];

const byStep = new WeakMap<Running, ReadonlyMap<string, readonly UnitCompensation[]>>();

const compensationsOf = (execution: Running): ReadonlyMap<string, readonly UnitCompensation[]> => {
  const known = byStep.get(execution);
  if (known) return known;
  const groups = new Map<string, UnitCompensation[]>();
  for (const compensation of execution.compensation?.units.values() ?? []) {
    const stepId = parseUnit(compensation.unit)?.stepId ?? compensation.unit;
    const group = groups.get(stepId) ?? [];
    groups.set(stepId, group);
    group.push(compensation);
  }
  byStep.set(execution, groups);
  return groups;
};

/** Of several items, the state that needs attention most; undefined for a step without a compensation. */
export const stepCompensationStateOf = ({ execution, step }: StepView): StepCompensationState | undefined => {
  const states = new Set<string>((compensationsOf(execution).get(step.id) ?? []).map(compensationStateOf));
  return STEP_COMPENSATION_STATES.find((state) => states.has(state)) ?? (step.compensation ? 'defined' : undefined);
};
