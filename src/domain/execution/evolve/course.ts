import { PersistentVector } from '../../structures/persistent-vector.ts';
import type { DataOf } from '../events.ts';
import type { ItemsState, Running, StepState } from '../state.ts';
import { changeStep, waitEnded, without } from './steps.ts';

/** The execution is about to end: waits end at once, agents and sub-workflows are waited for. */
export const aborting = (execution: Running, data: DataOf<'ExecutionAborting'>): Running => {
  const atMs = Date.parse(data.abortedAt);
  let next: Running = {
    ...execution,
    status: data.compensate ? 'compensating' : 'executing',
    // Cancelling must not leave it paused half-way.
    paused: execution.paused && data.reason === 'step_failed',
    endedMs: undefined,
    continues: undefined,
    error: data.error,
    abort: {
      reason: data.reason,
      unit: data.unit,
      error: data.error,
      comment: data.comment,
      compensate: data.compensate,
      strategy: data.strategy,
      interrupt: data.interrupt,
    },
  };
  for (const { index, id } of execution.compiled.steps) {
    const step = execution.steps.get(index);
    if (step.phase === 'waiting' && step.waiting?.kind !== 'workflow')
      next = changeStep(next, id, (state) => waitEnded(state, state.unit, 'cancelled', atMs));
  }
  return next;
};

/** A step that is to be repeated; of its items only those that have not completed. */
const reopenedStep = (step: StepState): StepState => ({
  ...step,
  phase: 'pending',
  endedMs: undefined,
  items: step.items && reopenedItems(step.items),
});

const reopenedItems = ({ list, units }: ItemsState): ItemsState => ({
  list,
  units: PersistentVector.from(units.length, (item) => {
    const unit = units.get(item);
    return unit.phase === 'completed' ? unit : { ...unit, phase: 'idle' };
  }),
  next: 0,
  ended: [...units].filter(({ phase }) => phase === 'completed').length,
});

export const reopened = (execution: Running, { steps }: DataOf<'ExecutionReopened'>): Running => {
  const indices = steps.flatMap((id) => execution.compiled.indexOf.get(id) ?? []);
  let next: Running = {
    ...execution,
    status: 'executing',
    // Its time limit has served its purpose.
    deadlineMs: undefined,
    abort: undefined,
    error: undefined,
    endedMs: undefined,
  };
  for (const index of indices) next = { ...next, steps: next.steps.with(index, reopenedStep(next.steps.get(index))) };
  const ready = [...next.ready.filter((index) => !indices.includes(index)), ...indices];
  const expanding = indices.reduce(without, next.expanding);
  return { ...next, ready, expanding };
};

export const ended = (execution: Running, status: Running['status'], at: string): Running => ({
  ...execution,
  status,
  continues: undefined,
  endedMs: Date.parse(at),
});
