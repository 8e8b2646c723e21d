import type { ExecutionStreamEvent } from '../../../domain/execution/events.ts';

/** An event that contradicts the graph. */
export type Violation = { readonly task: string; readonly problem: string };

type Task = { readonly id: string; readonly dependsOn: readonly string[] };
type Times = { readonly submitted: number[]; readonly completed: number[] };

/** Positions in the stream, by step. */
const timesOf = (events: readonly ExecutionStreamEvent[]): ReadonlyMap<string, Times> => {
  const times = new Map<string, Times>();
  const stepOf = new Map<string, string>();
  const of = (step: string): Times => {
    const known = times.get(step) ?? { submitted: [], completed: [] };
    times.set(step, known);
    return known;
  };
  for (const [revision, event] of events.entries()) {
    if (event.type === 'TaskSubmitted' && event.data.unit !== undefined) {
      stepOf.set(event.data.taskId, event.data.unit);
      of(event.data.unit).submitted.push(revision);
    } else if (event.type === 'TaskCompleted') of(stepOf.get(event.data.taskId) ?? '').completed.push(revision);
  }
  return times;
};

/**
 * Checks from its stream that an execution followed its graph: each task was submitted once and completed once, and no task was
 * submitted before everything that it depends on had completed.
 *
 * @param events all of the stream, in order
 */
export const checkOrder = (tasks: readonly Task[], events: readonly ExecutionStreamEvent[]): Violation[] => {
  const times = timesOf(events);
  const violations: Violation[] = [];
  for (const { id, dependsOn } of tasks) {
    const { submitted = [], completed = [] } = times.get(id) ?? {};
    if (submitted.length !== 1 || completed.length !== 1)
      violations.push({
        task: id,
        problem: `submitted ${submitted.length} times, completed ${completed.length} times`,
      });
    const [at] = submitted;
    if (at === undefined) continue;
    for (const dependency of dependsOn) {
      const end = times.get(dependency)?.completed[0];
      if (end === undefined || end > at)
        violations.push({ task: id, problem: `submitted at revision ${at}, before ${dependency} had completed` });
    }
  }
  return violations;
};
