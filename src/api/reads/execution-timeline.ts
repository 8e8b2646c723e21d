import type { Running } from '../../domain/execution/state.ts';
import type { Json } from '../../domain/json.ts';
import type { Position, StoredEvent } from '../../eventstore/event-store.ts';
import type { AssignmentRow } from '../../projections/assignments/table.ts';
import type { ExecutionRow } from '../../projections/executions/table.ts';
import { changeOfExecution, type ExecutionChange } from '../live/execution-changes.ts';
import { changeOfAssignment } from '../live/task-changes.ts';
import type { ReadContext } from './context.ts';
import { stateOf } from './execution-state.ts';
import { EXECUTION_TIMELINE_EVENTS } from './reads.ts';

/** One thing that happened to an execution. */
export type ExecutionEntry = {
  readonly position: Position;
  /** Event type, or `TaskAssigned`. */
  readonly type: string;
  readonly at: string;
  /** Step, item or compensation that it is about, where that is known. */
  readonly unit: string | null;
  readonly taskId: string | null;
  readonly attempt: number | null;
  readonly agentId: string | null;
  readonly summary: string;
  readonly actor: string | null;
  readonly data: Json;
};

type UnitOf = (taskId: string) => string | undefined;

const textIn = (data: Json, ...names: readonly string[]): string | null => {
  if (data === null || typeof data !== 'object' || Array.isArray(data)) return null;
  const found = names.map((name) => (data as { readonly [key: string]: Json })[name]);
  return found.find((value): value is string => typeof value === 'string') ?? null;
};

const attemptIn = (data: Json): number | null => {
  const attempt = data !== null && typeof data === 'object' && 'attempt' in data ? data.attempt : undefined;
  return typeof attempt === 'number' ? attempt : null;
};

export const entryOfChange = (change: ExecutionChange, unitOf: UnitOf = () => undefined): ExecutionEntry => {
  const { position, type, at, actor, data } = change;
  const taskId = textIn(data, 'taskId');
  return {
    position,
    type,
    at,
    unit: textIn(data, 'unit', 'stepId') ?? (taskId === null ? undefined : unitOf(taskId)) ?? null,
    taskId,
    attempt: attemptIn(data),
    agentId: textIn(data, 'agentId'),
    summary: change.summary ?? type,
    actor,
    data,
  };
};

/** The tasks that the events name. */
const tasksIn = (entries: readonly ExecutionEntry[]): string[] => [
  ...new Set(entries.flatMap(({ taskId }) => taskId ?? [])),
];

const entriesOf = (events: readonly StoredEvent[], execution: Running, unitOf: UnitOf): ExecutionEntry[] =>
  events.map((event) => entryOfChange(changeOfExecution(event, execution), unitOf));

/** Both sources in the order of the log, from the first of the events on. */
const merged = (
  entries: readonly ExecutionEntry[],
  assignments: readonly AssignmentRow[],
  unitOf: UnitOf,
): ExecutionEntry[] => {
  const from = entries[0]?.position ?? 0n;
  const assigned = assignments
    .filter(({ position }) => position >= from)
    .map((row): ExecutionEntry => ({ ...changeOfAssignment(row, row), unit: unitOf(row.taskId) ?? null }));
  return [...entries, ...assigned].sort((a, b) => (a.position < b.position ? -1 : a.position > b.position ? 1 : 0));
};

/** The newest events of an execution, and the assignments of the tasks that they name. */
export const executionTimeline = async (
  row: Pick<ExecutionRow, 'executionId'>,
  context: ReadContext,
): Promise<ExecutionEntry[]> => {
  const { reads } = context;
  const [execution, events] = await Promise.all([stateOf(context, row), reads.executionEvents(row.executionId)]);
  const unitOf = (taskId: string): string | undefined => execution.unitOf.get(taskId);
  const entries = entriesOf(events, execution, unitOf);
  const assignments = await Promise.all(tasksIn(entries).map((taskId) => reads.assignments.load(taskId)));
  return merged(entries, assignments.flat(), unitOf).slice(-EXECUTION_TIMELINE_EVENTS);
};
