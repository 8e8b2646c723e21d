import type { PlannedCompensation } from '../compensation/plan.ts';
import { planCompensation } from './plan-compensation.ts';
import type { Room } from './room.ts';
import type { Running } from './state.ts';
import type { Turn } from './turn.ts';

/** Characters of the part of a plan that one event holds; with a result of 256 KiB its append stays below the store's 1 MiB. */
const PLAN_BYTES = 192 * 1024;
/** Of a unit in the plan, without the names in it. */
const UNIT_BYTES = 30;

const bytesOf = ({ unit, after }: PlannedCompensation): number =>
  after.reduce((bytes, before) => bytes + before.length + 3, UNIT_BYTES + unit.length);

/** Whether a part of the plan is not in the log yet. */
export const owesMore = ({ compensation }: Running): boolean =>
  compensation !== undefined && compensation.units.size < (compensation.owed ?? 0);

/**
 * Records the plan, or as much more of it as fits one event; nothing changes the plan once its first part is recorded.
 *
 * @returns whether there was anything
 */
export const recordPlan = (turn: Turn, room: Room): boolean => {
  const { abort: cause, executionId, compensation } = turn.state;
  if (!cause?.compensate) return false;
  const plan = planCompensation(turn.state, cause.strategy, cause.unit);
  const from = compensation?.units.size ?? 0;
  let [until, bytes] = [from, 0];
  for (; until < plan.length && bytes < PLAN_BYTES; until += 1) bytes += bytesOf(plan[until] as PlannedCompensation);
  if (until === from) return false;
  room.takeBytes(bytes);
  turn.emit({
    type: 'CompensationStarted',
    data: {
      executionId,
      strategy: cause.strategy,
      plan: plan.slice(from, until).map(({ unit, after }) => ({ unit, after: [...after] })),
      ...(until - from < plan.length ? { owed: plan.length } : {}),
      startedAt: turn.now,
    },
  });
  return true;
};
