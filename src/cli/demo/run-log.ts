import { agentStream, DEFAULT_TENANT, poolStream, taskStream } from '../../domain/ids.ts';
import type { Json } from '../../domain/json.ts';
import { decodeEvent } from '../../eventstore/codec.ts';
import type { EventStore, StoredEvent } from '../../eventstore/event-store.ts';
import { Auditor, type Defect, readLog } from '../audit.ts';

/** Names and ids that a run created. */
export type RunStreams = {
  readonly pool: string;
  readonly agentIds: readonly string[];
  readonly taskIds: readonly string[];
};

export type AgentTally = { assigned: number; completed: number; failed: number };

export type RunFacts = {
  readonly completed: number;
  readonly deadLettered: number;
  /** Terminal events beyond the first of their task. */
  readonly duplicateTerminals: number;
  /** Attempts that failed and were followed by another one. */
  readonly retries: number;
  readonly agents: ReadonlyMap<string, AgentTally>;
  /** By task. */
  readonly results: ReadonlyMap<string, Json>;
  readonly streams: number;
  readonly events: number;
  readonly defects: readonly Defect[];
  /** Streams that should exist and do not: an acknowledged task without a trace would be the worst failure. */
  readonly missing: readonly string[];
};

class RunLog {
  readonly #auditor = new Auditor();
  readonly #awaited: Set<string>;
  readonly #seen = new Set<string>();
  readonly #terminals = new Map<string, number>();
  readonly #results = new Map<string, Json>();
  readonly #agents: Map<string, AgentTally>;
  #completed = 0;
  #deadLettered = 0;
  #retries = 0;

  constructor({ pool, agentIds, taskIds }: RunStreams) {
    this.#awaited = new Set([
      poolStream(DEFAULT_TENANT, pool),
      ...agentIds.map((id) => agentStream(DEFAULT_TENANT, id)),
      ...taskIds.map((id) => taskStream(DEFAULT_TENANT, id)),
    ]);
    this.#agents = new Map(agentIds.map((id) => [id, { assigned: 0, completed: 0, failed: 0 }]));
  }

  take(event: StoredEvent): void {
    if (!this.#awaited.has(event.stream)) return;
    this.#seen.add(event.stream);
    this.#auditor.take(event);
    this.#count(event);
  }

  facts(): RunFacts {
    const { defects, streams, events } = this.#auditor.result();
    const counts = [...this.#terminals.values()];
    return {
      completed: this.#completed,
      deadLettered: this.#deadLettered,
      duplicateTerminals: counts.reduce((sum, count) => sum + count - 1, 0),
      retries: this.#retries,
      agents: this.#agents,
      results: this.#results,
      streams,
      events,
      defects,
      missing: [...this.#awaited].filter((stream) => !this.#seen.has(stream)),
    };
  }

  #count(stored: StoredEvent): void {
    const event = decodeEvent(stored);
    switch (event?.type) {
      case 'TasksAssigned':
        for (const { agentId } of event.data.assignments) this.#tally(agentId, 'assigned');
        return;
      case 'TaskCompleted':
        this.#terminal(stored.stream);
        this.#completed += 1;
        this.#results.set(event.data.taskId, event.data.result);
        this.#tally(event.data.agentId, 'completed');
        return;
      case 'TaskDeadLettered':
        this.#terminal(stored.stream);
        this.#deadLettered += 1;
        return;
      case 'TaskCancelled':
        this.#terminal(stored.stream);
        return;
      case 'TaskAttemptFailed':
        if (event.data.retryAt !== undefined) this.#retries += 1;
        if (event.data.agentId !== undefined) this.#tally(event.data.agentId, 'failed');
        return;
      default:
        return;
    }
  }

  #terminal(stream: string): void {
    this.#terminals.set(stream, (this.#terminals.get(stream) ?? 0) + 1);
  }

  #tally(agentId: string, what: keyof AgentTally): void {
    const tally = this.#agents.get(agentId);
    if (tally) tally[what] += 1;
  }
}

/** The first event of the run: of its pool or its agents, since tasks come after those. */
const firstOf = async (store: EventStore, { pool, agentIds }: RunStreams): Promise<StoredEvent | undefined> => {
  const streams = [poolStream(DEFAULT_TENANT, pool), ...agentIds.map((id) => agentStream(DEFAULT_TENANT, id))];
  const firsts = await Promise.all(streams.map((stream) => store.readStream(stream, { limit: 1 })));
  return firsts
    .flat()
    .reduce<StoredEvent | undefined>(
      (earliest, event) => (earliest === undefined || event.position < earliest.position ? event : earliest),
      undefined,
    );
};

/** Reads the events of a run from the log, and verifies the chain of each of its streams. */
export const readRun = async (store: EventStore, streams: RunStreams): Promise<RunFacts> => {
  const log = new RunLog(streams);
  const first = await firstOf(store, streams);
  if (first !== undefined) {
    log.take(first);
    for await (const events of readLog(store, { after: first.position })) for (const event of events) log.take(event);
  }
  return log.facts();
};
