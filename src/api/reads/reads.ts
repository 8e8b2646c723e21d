import DataLoader from 'dataloader';
import type { z } from 'zod';
import { executionStream, taskStream } from '../../domain/ids.ts';
import type { Json } from '../../domain/json.ts';
import type { Rest } from '../../domain/pool/rest.ts';
import type { EventStore, Position, StoredEvent } from '../../eventstore/event-store.ts';
import { countOpenTasks, getAgents } from '../../projections/agents/queries.ts';
import type { AgentRow } from '../../projections/agents/table.ts';
import { getAssignments } from '../../projections/assignments/queries.ts';
import type { AssignmentRow } from '../../projections/assignments/table.ts';
import type { PauseRow } from '../../projections/breakers/pauses.ts';
import { getBreakers, getPauses } from '../../projections/breakers/queries.ts';
import type { BreakerRow } from '../../projections/breakers/table.ts';
import type { Queryable } from '../../projections/database.ts';
import { getCompensations } from '../../projections/executions/compensations.ts';
import { getExecutionPayloads, getExecutions, getRelatedExecutions } from '../../projections/executions/queries.ts';
import type { CompensationRow, ExecutionPayloadKind, ExecutionRow } from '../../projections/executions/table.ts';
import { MAX_PAGE } from '../../projections/page-size.ts';
import type { ProjectionName } from '../../projections/registry.ts';
import type { Reading } from '../../projections/snapshot.ts';
import { getRests, getTaskAttempts } from '../../projections/task-attempts/queries.ts';
import type { TaskAttemptRow } from '../../projections/task-attempts/table.ts';
import { getTaskPayloads, getTasks } from '../../projections/tasks/queries.ts';
import type { PayloadKind, TaskRow } from '../../projections/tasks/table.ts';
import { getWorkflowVersions } from '../../projections/workflows/queries.ts';
import type { WorkflowVersionRow } from '../../projections/workflows/table.ts';

/** Waits for read models. Errors: `AppError` `STALE_READ` (retryable) when they do not reach the position in time. */
export type Freshness = {
  waitFor(
    position: Position,
    options: { readonly timeoutMs: number; readonly projections: readonly ProjectionName[] },
  ): Promise<void>;
};

export type ReadSide = {
  readonly pool: Queryable;
  readonly freshness: Freshness;
  readonly store: Pick<EventStore, 'readStream'>;
};

/** Where the log keeps what has this id. */
export type Subject = {
  readonly schema: z.ZodType;
  readonly streamOf: (tenant: string, id: string) => string;
  readonly id: string;
};

/** How long a query waits for a read model to reach its `atLeast`. */
const FRESHNESS_TIMEOUT_MS = 5_000;
/** How many of a task's newest events its timeline shows. Only progress reports can make more. */
const TIMELINE_EVENTS = 500;
/** How many of an execution's newest events its timeline shows. */
export const EXECUTION_TIMELINE_EVENTS = 1_000;
/** Streams that one operation reads at a time, so that a list of tasks does not keep others from the log. */
const STREAMS_AT_ONCE = 16;

const grouped = <Row>(keys: readonly string[], rows: readonly Row[], keyOf: (row: Row) => string): Row[][] => {
  const groups = new Map<string, Row[]>(keys.map((key) => [key, []]));
  for (const row of rows) groups.get(keyOf(row))?.push(row);
  return keys.map((key) => groups.get(key) ?? []);
};

const ordered = <Row>(keys: readonly string[], rows: readonly Row[], keyOf: (row: Row) => string): (Row | null)[] => {
  const byKey = new Map(rows.map((row) => [keyOf(row), row]));
  return keys.map((key) => byKey.get(key) ?? null);
};

/**
 * The read side of one operation. Rows that resolvers ask for one by one are read with one query per kind. Before a projection is read it
 * is waited for, if the operation says `atLeast`; those that no field reads are not. It keeps the lowest log position among its answers.
 */
export class Reads {
  readonly tenant: string;
  readonly pool: Queryable;
  readonly tasks: DataLoader<string, TaskRow | null>;
  readonly attempts: DataLoader<string, readonly TaskAttemptRow[]>;
  readonly assignments: DataLoader<string, readonly AssignmentRow[]>;
  readonly agents: DataLoader<string, AgentRow | null>;
  readonly openTasks: DataLoader<string, number>;
  readonly #rests: DataLoader<string, Rest | undefined>;
  readonly #breakers: DataLoader<string, readonly BreakerRow[]>;
  readonly #pauses: DataLoader<string, PauseRow | null>;
  readonly taskEvents: DataLoader<string, readonly StoredEvent[]>;
  readonly executions: DataLoader<string, ExecutionRow | null>;
  /** The newest `MAX_PAGE` sub-workflows of an execution. */
  readonly children: DataLoader<string, readonly ExecutionRow[]>;
  /** The newest `MAX_PAGE` forks of an execution. */
  readonly forks: DataLoader<string, readonly ExecutionRow[]>;
  readonly compensations: DataLoader<string, readonly CompensationRow[]>;
  /** All versions of a workflow, newest publication first. */
  readonly workflowVersions: DataLoader<string, readonly WorkflowVersionRow[]>;
  readonly #side: ReadSide;
  readonly #payloads = new Map<PayloadKind, DataLoader<string, Json | undefined>>();
  readonly #executionPayloads = new Map<ExecutionPayloadKind, DataLoader<string, Json | undefined>>();
  readonly #asked = new Map<string, Promise<unknown>>();
  #asOf: Position | undefined;
  #atLeast: Position | undefined;

  constructor(side: ReadSide, tenant: string) {
    const pool: Queryable = {
      query: side.pool.query.bind(side.pool) as Queryable['query'],
      fresh: (projection) => this.#reached(projection),
    };
    this.#side = side;
    this.pool = pool;
    this.tenant = tenant;
    this.tasks = new DataLoader(async (ids) =>
      ordered(ids, await this.of(getTasks(pool, tenant, ids)), ({ taskId }) => taskId),
    );
    this.attempts = new DataLoader(async (ids) =>
      grouped(ids, await this.of(getTaskAttempts(pool, tenant, ids)), ({ taskId }) => taskId),
    );
    this.assignments = new DataLoader(async (ids) =>
      grouped(ids, await this.of(getAssignments(pool, tenant, ids)), ({ taskId }) => taskId),
    );
    this.agents = new DataLoader(async (ids) =>
      ordered(ids, await this.of(getAgents(pool, tenant, ids)), ({ agentId }) => agentId),
    );
    this.openTasks = new DataLoader(async (ids) => {
      const open = await this.of(countOpenTasks(pool, tenant, ids));
      return ids.map((id) => open.get(id) ?? 0);
    });
    this.#rests = new DataLoader(async (ids) => {
      const rests = await this.of(getRests(pool, tenant, ids));
      return ids.map((id) => rests.get(id));
    });
    this.#breakers = new DataLoader(async (ids) =>
      grouped(ids, await this.of(getBreakers(pool, tenant, ids)), ({ agentId }) => agentId),
    );
    this.#pauses = new DataLoader(async (ids) =>
      ordered(ids, await this.of(getPauses(pool, tenant, ids)), ({ agentId }) => agentId),
    );
    this.taskEvents = new DataLoader((ids) => Promise.all(ids.map((id) => this.#eventsOf(id))), {
      maxBatchSize: STREAMS_AT_ONCE,
    });
    this.executions = new DataLoader(async (ids) =>
      ordered(ids, await this.of(getExecutions(pool, tenant, ids)), ({ executionId }) => executionId),
    );
    this.children = new DataLoader(async (ids) => {
      const rows = await this.of(getRelatedExecutions(pool, tenant, 'children', ids, MAX_PAGE));
      return grouped(ids, rows, ({ parentExecutionId }) => parentExecutionId ?? '');
    });
    this.forks = new DataLoader(async (ids) => {
      const rows = await this.of(getRelatedExecutions(pool, tenant, 'forks', ids, MAX_PAGE));
      return grouped(ids, rows, ({ forkedFrom }) => forkedFrom ?? '');
    });
    this.compensations = new DataLoader(async (ids) =>
      grouped(ids, await this.of(getCompensations(pool, tenant, ids)), ({ executionId }) => executionId),
    );
    this.workflowVersions = new DataLoader(async (names) =>
      grouped(names, await this.of(getWorkflowVersions(pool, tenant, names)), ({ name }) => name),
    );
  }

  /** Since when the agent cannot be reached; undefined when it answered last, or has registered since. */
  async restOf({ agentId, registeredAt }: Pick<AgentRow, 'agentId' | 'registeredAt'>): Promise<Rest | undefined> {
    const rest = await this.#rests.load(agentId);
    return rest && rest.untilMs >= Date.parse(registeredAt) ? rest : undefined;
  }

  /** Breakers of the agent that have changed since it registered. */
  async breakersOf({
    agentId,
    registeredAt,
  }: Pick<AgentRow, 'agentId' | 'registeredAt'>): Promise<readonly BreakerRow[]> {
    const breakers = await this.#breakers.load(agentId);
    return breakers.filter(({ changedAt }) => Date.parse(changedAt) >= Date.parse(registeredAt));
  }

  /** When the pause ends that the agent asked for last; undefined when it has registered since. */
  async pauseEndOf({ agentId, registeredAt }: Pick<AgentRow, 'agentId' | 'registeredAt'>): Promise<number | undefined> {
    const pause = await this.#pauses.load(agentId);
    return pause && Date.parse(pause.askedAt) >= Date.parse(registeredAt) ? Date.parse(pause.endsAt) : undefined;
  }

  /** Lowest position that an answer of this operation reflects; undefined when nothing was read. */
  get asOf(): Position | undefined {
    return this.#asOf;
  }

  /**
   * From now on rows are read when their projection holds the log up to `position`. What other fields read before is forgotten, and read
   * again when needed. Errors of later reads: `AppError` `STALE_READ`.
   */
  atLeast(position: Position | null | undefined): void {
    if (position === null || position === undefined) return;
    if (this.#atLeast === undefined || position > this.#atLeast) this.#atLeast = position;
    this.#forget();
  }

  /**
   * What `load` finds of a subject that has a stream of its own. If the read models do not have it but the log does, it was created a
   * moment ago: waits until they have it. Errors: `AppError` `STALE_READ`.
   */
  async existing<Row>({ schema, streamOf, id }: Subject, load: () => Promise<Row | null>): Promise<Row | null> {
    const row = await load();
    if (row !== null || !schema.safeParse(id).success) return row;
    const [first] = await this.store.readStream(streamOf(this.tenant, id), { limit: 1 });
    if (first === undefined) return null;
    this.atLeast(first.position);
    return load();
  }

  async #reached(projection: ProjectionName): Promise<void> {
    const options = { timeoutMs: FRESHNESS_TIMEOUT_MS, projections: [projection] };
    if (this.#atLeast !== undefined) await this.#side.freshness.waitFor(this.#atLeast, options);
  }

  /** The value of a reading. Its position counts for this operation. */
  async of<Value>(reading: Promise<Reading<Value>>): Promise<Value> {
    const { value, position } = await reading;
    this.reflected(position);
    return value;
  }

  /** Starts again, as for a new operation. */
  clear(): void {
    this.#asOf = undefined;
    this.#atLeast = undefined;
    this.#forget();
  }

  #forget(): void {
    this.#asked.clear();
    for (const loader of [
      this.tasks,
      this.attempts,
      this.assignments,
      this.agents,
      this.openTasks,
      this.#rests,
      this.#breakers,
      this.#pauses,
      this.taskEvents,
      this.executions,
      this.children,
      this.forks,
      this.compensations,
      this.workflowVersions,
      ...this.#payloads.values(),
      ...this.#executionPayloads.values(),
    ])
      loader.clearAll();
  }

  reflected(position: Position): void {
    if (this.#asOf === undefined || position < this.#asOf) this.#asOf = position;
  }

  payload(kind: PayloadKind, taskId: string): Promise<Json | undefined> {
    let loader = this.#payloads.get(kind);
    if (!loader) {
      loader = new DataLoader(async (ids) => {
        const payloads = await this.of(getTaskPayloads(this.pool, this.tenant, kind, ids));
        return ids.map((id) => payloads.get(id));
      });
      this.#payloads.set(kind, loader);
    }
    return loader.load(taskId);
  }

  executionPayload(kind: ExecutionPayloadKind, executionId: string): Promise<Json | undefined> {
    let loader = this.#executionPayloads.get(kind);
    if (!loader) {
      loader = new DataLoader(async (ids) => {
        const payloads = await this.of(getExecutionPayloads(this.pool, this.tenant, kind, ids));
        return ids.map((id) => payloads.get(id));
      });
      this.#executionPayloads.set(kind, loader);
    }
    return loader.load(executionId);
  }

  /** Asks each question once per operation. */
  once<Value>(question: string, ask: () => Promise<Value>): Promise<Value> {
    const asked = this.#asked.get(question) ?? ask();
    this.#asked.set(question, asked);
    return asked as Promise<Value>;
  }

  get store(): ReadSide['store'] {
    return this.#side.store;
  }

  /** The newest events of an execution, in the order of its stream. */
  async executionEvents(executionId: string): Promise<StoredEvent[]> {
    const newest = await this.#side.store.readStream(executionStream(this.tenant, executionId), {
      direction: 'backwards',
      limit: EXECUTION_TIMELINE_EVENTS,
    });
    return newest.reverse();
  }

  /** One event of the log, as it was written. */
  async event(stream: string, revision: bigint): Promise<StoredEvent | undefined> {
    return (await this.#side.store.readStream(stream, { from: revision, limit: 1 }))[0];
  }

  async #eventsOf(taskId: string): Promise<StoredEvent[]> {
    const newest = await this.#side.store.readStream(taskStream(this.tenant, taskId), {
      direction: 'backwards',
      limit: TIMELINE_EVENTS,
    });
    return newest.reverse();
  }
}
