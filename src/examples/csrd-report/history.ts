import { compensatedBy, isCompensation } from '../../domain/execution/unit.ts';
import type { Json } from '../../domain/json.ts';
import type { AttemptError } from '../../domain/task/events.ts';
import { decodeEvent } from '../../eventstore/codec.ts';
import type { EventStore, StoredEvent } from '../../eventstore/event-store.ts';

/** What an agent did for a step, or to compensate it. */
export type Work = {
  readonly step: string;
  readonly agentId: string;
  readonly capability: string;
  readonly durationMs: number;
  readonly result: Json;
};

/** What an event of an execution means for this example's output. */
export type Progress =
  | { readonly kind: 'done' | 'compensated'; readonly work: Work }
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

/** Translates the events of one execution's stream, which it must get in order. */
export class Reader {
  readonly #tasks = new Map<string, { readonly unit: string; readonly capability: string }>();

  take(stored: StoredEvent): Progress | undefined {
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
        return { kind: isCompensation(unit) ? 'compensated' : 'done', work };
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
    if (task === undefined) throw new Error(`the stream ends task ${taskId} before it was submitted`);
    return task;
  }
}

export type History = {
  readonly status: string;
  /** Both in the order of the log. */
  readonly done: readonly Work[];
  readonly compensated: readonly Work[];
  readonly failure: Extract<Progress, { kind: 'failed' }> | undefined;
  /** Compensations that wait for a person. */
  readonly stuck: readonly Extract<Progress, { kind: 'stuck' }>[];
};

const PAGE = 1_000;

/** Reads what happened in an execution from its stream. */
export const readHistory = async (store: EventStore, stream: string): Promise<History> => {
  const reader = new Reader();
  const entries: Progress[] = [];
  for (let from = 0n, more = true; more; from += BigInt(PAGE)) {
    const events = await store.readStream(stream, { from, limit: PAGE });
    entries.push(...events.flatMap((event) => reader.take(event) ?? []));
    more = events.length === PAGE;
  }
  return {
    status: entries.findLast((entry) => entry.kind === 'ended')?.status ?? 'running',
    done: entries.flatMap((entry) => (entry.kind === 'done' ? [entry.work] : [])),
    compensated: entries.flatMap((entry) => (entry.kind === 'compensated' ? [entry.work] : [])),
    failure: entries.find((entry) => entry.kind === 'failed'),
    stuck: entries.filter((entry) => entry.kind === 'stuck'),
  };
};
