import { changeOfExecution } from '../../api/live/execution-changes.ts';
import { decisionOf, type PersonalDecision } from '../../domain/execution/decided.ts';
import type { ExecutionStreamEvent } from '../../domain/execution/events.ts';
import { evolveExecution } from '../../domain/execution/evolve.ts';
import { type Execution, initialExecution, type Running, statusOf } from '../../domain/execution/state.ts';
import { stepsOf } from '../../domain/execution/steps.ts';
import { timeSpent } from '../../domain/execution/time-spent.ts';
import { decodeEvent } from '../../eventstore/codec.ts';
import type { StoredEvent } from '../../eventstore/event-store.ts';
import { EMPTY_HEAD, verifyStream } from '../../eventstore/provenance.ts';
import { numberOf } from '../../wording/sentences.ts';

/** One event of an execution's stream, in readable form. */
export type ReplayedEvent = {
  readonly revision: string;
  readonly position: string;
  readonly at: string;
  readonly type: string;
  /** The step, item or compensation it concerns. */
  readonly unit: string | null;
  readonly summary: string;
  readonly actor: string;
};

export type ReplayedState = {
  readonly status: string;
  readonly workflow: string;
  readonly revision: string;
  readonly steps: readonly {
    readonly id: string;
    readonly state: string;
    readonly agentId: string | null;
    readonly decision: PersonalDecision | null;
  }[];
  readonly debts: readonly { readonly unit: string; readonly state: string }[];
  readonly timeSpent: ReturnType<typeof timeSpent>;
};

export type Replay = {
  readonly events: readonly ReplayedEvent[];
  /** Undefined when the stream does not begin with the start of an execution. */
  readonly state: ReplayedState | undefined;
  /** Problems of the hash chain or of the times in the last event; empty if there are none. */
  readonly problems: readonly string[];
};

const unitIn = (data: unknown): string | undefined => {
  const { unit, stepId } = (data ?? {}) as { readonly unit?: unknown; readonly stepId?: unknown };
  return typeof unit === 'string' ? unit : typeof stepId === 'string' ? stepId : undefined;
};

const taskIn = (data: unknown): string => String((data as { readonly taskId?: unknown } | null)?.taskId ?? '');

const stateOf = (execution: Running, last: StoredEvent): ReplayedState => ({
  status: statusOf(execution),
  workflow: `${execution.workflow.name}@${execution.workflow.version}`,
  revision: String(last.revision),
  steps: stepsOf(execution).map(({ step, state }) => {
    const decision = decisionOf({ execution, step, state });
    return { id: step.id, state: state.phase, agentId: state.unit.agentId ?? null, decision: decision ?? null };
  }),
  debts: [...(execution.compensation?.units.values() ?? [])].map(({ unit, status }) => ({ unit, state: status })),
  timeSpent: timeSpent(execution, execution.endedMs ?? Date.parse(last.metadata.at)),
});

const TIMES = ['durationMs', 'agentMs', 'waitMs', 'overheadMs'] as const;

/** The event that ends an execution reports where its time went; the events before it must give the same sums. */
const timeProblems = (state: ReplayedState, event: ExecutionStreamEvent | undefined): string[] => {
  if (event === undefined || !('overheadMs' in event.data)) return [];
  const recorded = event.data;
  return TIMES.filter((name) => Math.abs(recorded[name] - state.timeSpent[name]) > 1e-6).map(
    (name) => `${event.type} reports ${name} ${recorded[name]}, its stream gives ${state.timeSpent[name]}`,
  );
};

/**
 * Folds an execution's stream as the decider does, and checks its hash chain.
 *
 * @param stored all of the stream from its first event, or as much of it as is to count
 */
export const replay = (stored: readonly StoredEvent[]): Replay => {
  let execution: Execution = initialExecution();
  const events: ReplayedEvent[] = [];
  for (const event of stored) {
    const decoded = decodeEvent(event) as ExecutionStreamEvent | undefined;
    if (decoded) execution = evolveExecution(execution, decoded);
    const { revision, position, at, type, summary, actor, data } = changeOfExecution(event, execution);
    const ofTask = execution.status === 'none' ? undefined : execution.unitOf.get(taskIn(data));
    events.push({
      revision: String(revision),
      position: String(position),
      at,
      type,
      unit: unitIn(data) ?? ofTask ?? null,
      summary: summary ?? 'an event that this build does not know',
      actor,
    });
  }
  const last = stored.at(-1);
  const state = execution.status === 'none' || last === undefined ? undefined : stateOf(execution, last);
  const verified = verifyStream(stored, EMPTY_HEAD);
  return {
    events,
    state,
    problems: [
      ...(verified.ok ? [] : [`the hash chain is broken: ${verified.problem}`]),
      ...(state && last ? timeProblems(state, decodeEvent(last) as ExecutionStreamEvent | undefined) : []),
    ],
  };
};

type Reported = { readonly status: string; readonly steps: readonly { readonly id: string; readonly state: string }[] };

/** Where the server's state differs from the replay of the stream; empty if nowhere. */
export const differences = (replayed: ReplayedState, reported: Reported): string[] => {
  const stateOfStep = new Map(reported.steps.map(({ id, state }) => [id, state.toLowerCase()]));
  return [
    ...(reported.status.toLowerCase() === replayed.status
      ? []
      : [`status: replayed ${replayed.status}, the server has ${reported.status.toLowerCase()}`]),
    ...replayed.steps.flatMap(({ id, state }) =>
      stateOfStep.get(id) === state
        ? []
        : [`step ${id}: replayed ${state}, the server has ${stateOfStep.get(id) ?? 'nothing'}`],
    ),
    ...(reported.steps.length === replayed.steps.length
      ? []
      : [`replayed ${numberOf(replayed.steps.length, 'step')}, the server has ${reported.steps.length}`]),
  ];
};
