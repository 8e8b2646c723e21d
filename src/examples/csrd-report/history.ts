import { compensatedBy, isCompensation } from '../../domain/execution/unit.ts';
import type { Json } from '../../domain/json.ts';
import type { AttemptError } from '../../domain/task/events.ts';
import { decodeEvent } from '../../eventstore/codec.ts';
import type { EventStore, StoredEvent } from '../../eventstore/event-store.ts';

/** Something that an agent did for a step, or to undo it. */
export type Work = {
  readonly step: string;
  readonly agentId: string;
  readonly capability: string;
  readonly durationMs: number;
  readonly result: Json;
};

/** What an event of an execution says, as far as it is told here. */
export type Happening =
  | { readonly kind: 'done' | 'undone'; readonly work: Work }
  | { readonly kind: 'tried'; readonly step: string; readonly error: AttemptError; readonly again: boolean }
  | { readonly kind: 'failed'; readonly step: string; readonly error: AttemptError | undefined }
  | { readonly kind: 'stuck'; readonly step: string; readonly error: AttemptError }
  | { readonly kind: 'ended'; readonly status: string };

const ENDS: Readonly<Record<string, string>> = {
  ExecutionCompleted: 'completed',
  ExecutionFailed: 'failed',
  ExecutionCancelled: 'cancelled',
  ExecutionCompensated: 'compensated',
  ExecutionCompensationFailed: 'compensation_failed',
};

/** Understands the events of one execution's stream, taken in order. */
export class Reader {
  readonly #tasks = new Map<string, { readonly unit: string; readonly capability: string }>();

  take(stored: StoredEvent): Happening | undefined {
    const event = decodeEvent(stored);
    switch (event?.type) {
      case 'TaskSubmitted': {
        const { taskId, unit = '', capability } = event.data;
        this.#tasks.set(taskId, { unit, capability });
        return undefined;
      }
      case 'TaskCompleted': {
        const { taskId, agentId, durationMs, result } = event.data;
        const { unit, capability } = this.#task(taskId);
        const work = { step: compensatedBy(unit), agentId, capability, durationMs, result };
        return { kind: isCompensation(unit) ? 'undone' : 'done', work };
      }
      case 'TaskAttemptFailed': {
        const { taskId, error, retryAt } = event.data;
        return { kind: 'tried', step: compensatedBy(this.#task(taskId).unit), error, again: retryAt !== undefined };
      }
      case 'ExecutionAborting':
        return { kind: 'failed', step: event.data.unit ?? event.data.reason, error: event.data.error };
      case 'CompensationParked':
        return { kind: 'stuck', step: event.data.unit, error: event.data.error };
      default: {
        const status = event === undefined ? undefined : ENDS[event.type];
        return status === undefined ? undefined : { kind: 'ended', status };
      }
    }
  }

  #task(taskId: string): { readonly unit: string; readonly capability: string } {
    const task = this.#tasks.get(taskId);
    if (task === undefined) throw new Error(`task ${taskId} ended without having been submitted`);
    return task;
  }
}

export type History = {
  readonly status: string;
  /** In the order in which it happened, both. */
  readonly done: readonly Work[];
  readonly undone: readonly Work[];
  readonly failure: Extract<Happening, { kind: 'failed' }> | undefined;
  /** Undos that wait for a person. */
  readonly stuck: readonly Extract<Happening, { kind: 'stuck' }>[];
};

const PAGE = 1_000;

/** What became of an execution, from its stream alone. */
export const readHistory = async (store: EventStore, stream: string): Promise<History> => {
  const reader = new Reader();
  const happenings: Happening[] = [];
  for (let from = 0n, more = true; more; from += BigInt(PAGE)) {
    const events = await store.readStream(stream, { from, limit: PAGE });
    happenings.push(...events.flatMap((event) => reader.take(event) ?? []));
    more = events.length === PAGE;
  }
  return {
    status: happenings.findLast((happening) => happening.kind === 'ended')?.status ?? 'running',
    done: happenings.flatMap((happening) => (happening.kind === 'done' ? [happening.work] : [])),
    undone: happenings.flatMap((happening) => (happening.kind === 'undone' ? [happening.work] : [])),
    failure: happenings.find((happening) => happening.kind === 'failed'),
    stuck: happenings.filter((happening) => happening.kind === 'stuck'),
  };
};
