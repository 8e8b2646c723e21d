import type { TimeSpent } from './events.ts';
import type { Running } from './state.ts';
import type { Span, UnitState } from './unit-state.ts';

/** Length of the union of spans that lie in a window, and the union itself. */
const union = (spans: readonly Span[], [fromMs, toMs]: Span): Span[] => {
  const inside = spans
    .map(([start, end]): Span => [Math.max(start, fromMs), Math.min(end, toMs)])
    .filter(([start, end]) => end > start)
    .sort((a, b) => a[0] - b[0]);
  const merged: [number, number][] = [];
  for (const [start, end] of inside) {
    const last = merged.at(-1);
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else merged.push([start, end]);
  }
  return merged;
};

const lengthOf = (spans: readonly Span[]): number => spans.reduce((sum, [start, end]) => sum + end - start, 0);

const unitsOf = function* (execution: Running): Generator<{ readonly unit: UnitState; readonly byAgent: boolean }> {
  for (const step of execution.compiled.steps) {
    const state = execution.steps.get(step.index);
    yield { unit: state.unit, byAgent: step.kind === 'agent' };
    if (state.items) for (const unit of state.items.units) yield { unit, byAgent: true };
  }
  for (const { state } of execution.compensation?.units.values() ?? []) yield { unit: state, byAgent: true };
};

/**
 * Where the time of an execution went, up to `nowMs`. Agents work at the same time, so their time is that of the union of their calls;
 * a call's span is known once it ended, a wait's from its beginning.
 */
export const timeSpent = (execution: Running, nowMs: number): TimeSpent => {
  const window: Span = [execution.startedMs, Math.max(nowMs, execution.startedMs)];
  const agents: Span[] = [];
  const waits: Span[] = [];
  for (const { unit, byAgent } of unitsOf(execution)) (byAgent ? agents : waits).push(...unit.spans);
  for (const { waiting } of execution.steps) if (waiting) waits.push([waiting.sinceMs, nowMs]);
  const durationMs = window[1] - window[0];
  const agentMs = lengthOf(union(agents, window));
  const busyMs = lengthOf(union([...agents, ...waits], window));
  return { durationMs, agentMs, waitMs: busyMs - agentMs, overheadMs: durationMs - busyMs };
};
