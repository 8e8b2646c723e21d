import type { ExecutionStreamEvent } from '../../domain/execution/events.ts';
import type { Execution } from '../../domain/execution/state.ts';
import { idIn, isIn } from '../../domain/ids.ts';
import type { Json } from '../../domain/json.ts';
import { decodeEvent, UnknownSchemaVersion } from '../../eventstore/codec.ts';
import type { Position, Revision, StoredEvent } from '../../eventstore/event-store.ts';
import { summaryOfExecutionEvent } from '../../wording/execution-events.ts';
import type { Concern } from './topic.ts';

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

/** An event of a newer build is shown as it was recorded; leaving it out would be a gap. */
const readable = (stored: StoredEvent): ExecutionStreamEvent | undefined => {
  try {
    return decodeEvent(stored) as ExecutionStreamEvent | undefined;
  } catch (error) {
    if (error instanceof UnknownSchemaVersion) return undefined;
    throw error;
  }
};

/** With the execution, the sentence also tells what a person decided. */
export const changeOfExecution = (stored: StoredEvent, execution?: Execution): ExecutionChange => {
  const event = readable(stored);
  return {
    position: stored.position,
    revision: stored.revision,
    type: stored.type,
    at: stored.metadata.at,
    actor: stored.metadata.actor,
    executionId: idIn('execution', stored.metadata.tenant, stored.stream) ?? '',
    summary: event && summaryOfExecutionEvent(event, execution),
    data: (event?.data ?? stored.data) as Json,
  };
};

/** Every event of an execution's stream is a change of that execution. */
export const executionConcerns = (stored: StoredEvent): Concern<ExecutionChange>[] =>
  isIn('execution', stored.stream) ? [{ subject: stored.stream, change: changeOfExecution(stored) }] : [];
