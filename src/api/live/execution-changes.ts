import type { ExecutionEvent } from '../../domain/execution/events.ts';
import type { ExecutionStreamEvent } from '../../domain/execution/evolve.ts';
import { idIn, isIn } from '../../domain/ids.ts';
import type { Json } from '../../domain/json.ts';
import { decodeEvent, UnknownSchemaVersion } from '../../eventstore/codec.ts';
import type { Position, Revision, StoredEvent } from '../../eventstore/event-store.ts';
import { summaryOf as summaryOfTask } from '../graphql/tasks/timeline.ts';
import type { Concern } from './changes.ts';

/** One event of an execution's stream: its own, or one of the lifecycle of a task that it runs. */
export type ExecutionChange = {
  readonly position: Position;
  readonly revision: Revision;
  readonly type: string;
  readonly at: string;
  readonly actor: string;
  readonly executionId: string;
  /** One sentence; undefined for an event that this build does not know. */
  readonly summary: string | undefined;
  /** As recorded, in the newest schema version that this build knows. */
  readonly data: Json;
};

type Data<Type extends ExecutionEvent['type']> = Extract<ExecutionEvent, { type: Type }>['data'];

const because = (reason: string | undefined): string => (reason === undefined ? '' : `: ${reason}`);
const ms = (duration: number): string => `${Math.round(duration)} ms`;

const SKIPS = {
  condition: 'its condition is false',
  dependencies: 'all it depends on was skipped',
  person: 'a person said so',
} as const satisfies Record<Data<'StepSkipped'>['reason'], string>;

const SUMMARIES: { readonly [Type in ExecutionEvent['type']]: (data: Data<Type>) => string } = {
  ExecutionStarted: ({ workflow, definition }) =>
    `started ${workflow.name}@${workflow.version}, ${definition.tasks.length} steps`,
  ExecutionPaused: ({ reason }) => `paused${because(reason)}`,
  ExecutionResumed: () => 'resumed',
  StepExpanded: ({ stepId, items }) => `${stepId} runs for ${items.length} items`,
  StepWaiting: ({ stepId, kind, name, dueAt }) =>
    `${stepId} waits for ${kind === 'event' ? 'an' : 'a'} ${kind}${name === undefined ? '' : ` ${name}`}${dueAt === undefined ? '' : `, until ${dueAt}`}`,
  StepCompleted: ({ stepId }) => `${stepId} completed`,
  StepFailed: ({ stepId, error }) => `${stepId} failed: ${error.code}`,
  StepSkipped: ({ stepId, reason, comment }) => `${stepId} skipped, ${SKIPS[reason]}${because(comment)}`,
  ExecutionSignalled: ({ name }) => `event ${name} came from outside`,
  ExecutionAborting: ({ reason, unit, error }) =>
    `aborting, ${reason.replaceAll('_', ' ')}${unit === undefined ? '' : ` in ${unit}`}${because(error?.code)}`,
  CompensationStarted: ({ strategy, plan }) => `undoing ${plan.length} steps, ${strategy}`,
  CompensationParked: ({ unit, error }) => `${unit} could not be undone: ${error.code}`,
  CompensationSkipped: ({ unit, reason }) => `${unit} need not be undone: ${reason}`,
  CompensationHandedOver: ({ unit, to }) => `${to} sees to undoing ${unit}`,
  ExecutionReopened: ({ steps }) => `goes on with ${steps.slice(0, 10).join(', ')}${steps.length > 10 ? ', …' : ''}`,
  ExecutionMigrated: ({ from, workflow }) => `moved from ${from.name}@${from.version} to @${workflow.version}`,
  ExecutionCompleted: ({ durationMs }) => `completed after ${ms(durationMs)}`,
  ExecutionFailed: ({ unit, error }) => `failed${unit === undefined ? '' : ` in ${unit}`}: ${error.code}`,
  ExecutionCancelled: ({ reason }) => `cancelled${because(reason)}`,
  ExecutionCompensated: ({ compensated, skipped }) => `undone: ${compensated} steps, ${skipped} taken on by people`,
  ExecutionCompensationFailed: ({ parked }) => `${parked.length} steps could not be undone`,
};

const isExecutionEvent = (event: ExecutionStreamEvent): event is ExecutionEvent => Object.hasOwn(SUMMARIES, event.type);

export const summaryOfExecutionEvent = (event: ExecutionStreamEvent): string =>
  isExecutionEvent(event)
    ? (SUMMARIES[event.type] as (data: ExecutionEvent['data']) => string)(event.data)
    : summaryOfTask(event);

/** An event of a newer build is shown as it was recorded: to leave it out would be a gap. */
const readable = (stored: StoredEvent): ExecutionStreamEvent | undefined => {
  try {
    return decodeEvent(stored) as ExecutionStreamEvent | undefined;
  } catch (error) {
    if (error instanceof UnknownSchemaVersion) return undefined;
    throw error;
  }
};

export const changeOfExecution = (stored: StoredEvent): ExecutionChange => {
  const event = readable(stored);
  return {
    position: stored.position,
    revision: stored.revision,
    type: stored.type,
    at: stored.metadata.at,
    actor: stored.metadata.actor,
    executionId: idIn('execution', stored.metadata.tenant, stored.stream) ?? '',
    summary: event && summaryOfExecutionEvent(event),
    data: (event?.data ?? stored.data) as Json,
  };
};

/** Every event of an execution's stream is a change of that execution. */
export const executionConcerns = (stored: StoredEvent): Concern<ExecutionChange>[] =>
  isIn('execution', stored.stream) ? [{ subject: stored.stream, change: changeOfExecution(stored) }] : [];
