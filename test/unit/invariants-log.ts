import type { AgentProfile } from '../../src/domain/agent/events.ts';
import type { DomainEvent } from '../../src/domain/events.ts';
import { agentStream, poolStream, taskStream } from '../../src/domain/ids.ts';
import type { Json } from '../../src/domain/json.ts';
import { DEFAULT_RETRY } from '../../src/domain/retry.ts';
import type { AttemptError, TaskEvent } from '../../src/domain/task/events.ts';
import type { EventMetadata, StoredEvent } from '../../src/eventstore/event-store.ts';
import { EMPTY_HEAD, type StreamHead, seal } from '../../src/eventstore/provenance.ts';

const START = Date.parse('2026-03-01T12:00:00.000Z');
const TROUBLE: AttemptError = { code: 'E', message: 'm', source: 'agent', retryable: true };

type DataOf<Type extends TaskEvent['type']> = Extract<TaskEvent, { type: Type }>['data'];
/** `commandId: same` puts an event under the command of the one before. */
type Options = {
  readonly stream?: string;
  readonly id?: string;
  readonly commandId?: string;
  readonly fingerprint?: string;
  readonly tenant?: string;
};

/** Writes a log by hand, event by event, without asking any decider; sealed as the product seals it. */
export class LogBuilder {
  readonly events: StoredEvent[] = [];
  readonly #heads = new Map<string, StreamHead>();
  #count = 0;
  nowMs = START;

  get iso(): string {
    return new Date(this.nowMs).toISOString();
  }

  get last(): StoredEvent {
    return this.events.at(-1) as StoredEvent;
  }

  /** One event; each is a command of its own unless told otherwise. */
  put(
    stream: string,
    event: DomainEvent | { readonly type: string; readonly data: Json },
    options: Options = {},
  ): this {
    this.#count += 1;
    this.nowMs += 10;
    const head = this.#heads.get(stream) ?? EMPTY_HEAD;
    const metadata: Omit<EventMetadata, 'prevHash' | 'hash'> = {
      tenant: options.tenant ?? 'acme',
      commandId: options.commandId ?? `command-${this.#count}`,
      $correlationId: 'c',
      $causationId: 'c',
      actor: 'test',
      at: this.iso,
      schemaVersion: 1,
      ...(options.fingerprint === undefined ? {} : { fingerprint: options.fingerprint }),
    };
    const id = options.id ?? `event-${this.#count}`;
    const data = JSON.parse(JSON.stringify(event.data)) as Json;
    const sealed = seal(stream, head, { id, type: event.type, data, metadata });
    const revision = head.revision === 'no_stream' ? 0n : head.revision + 1n;
    this.#heads.set(stream, { revision, hash: sealed.metadata.hash });
    this.events.push({ ...sealed, stream, revision, position: BigInt(this.#count * 16), recordedAt: this.iso });
    return this;
  }

  #task(event: TaskEvent, options: Options = {}): this {
    return this.put(options.stream ?? taskStream('acme', event.data.taskId), event, options);
  }

  registered(agentId: string, maxConcurrency = 10, facts: Partial<AgentProfile> = {}, options: Options = {}): this {
    const profile: AgentProfile = {
      pool: 'default',
      name: agentId,
      capabilities: [{ name: 'translate', version: '1.0.0' }],
      transport: { kind: 'local' },
      maxConcurrency,
      delivery: 'at_least_once',
      labels: {},
      ...facts,
    };
    const data = { ...profile, agentId, registeredAt: this.iso };
    return this.put(agentStream(options.tenant ?? 'acme', agentId), { type: 'AgentRegistered', data }, options);
  }

  submitted(taskId: string, options: Options = {}): this {
    const data: DataOf<'TaskSubmitted'> = {
      taskId,
      pool: 'default',
      capability: 'translate',
      input: null,
      priority: 3,
      strategy: 'least_loaded',
      retry: DEFAULT_RETRY,
      timeoutMs: 1_000,
      tags: [],
      submittedAt: this.iso,
    };
    return this.#task({ type: 'TaskSubmitted', data }, options);
  }

  /** `t1→anna` or, for another attempt than the first, `t1#2→anna`. */
  assigned(...routes: readonly string[]): this {
    return this.assignedIn('default', ...routes);
  }

  assignedIn(pool: string, ...routes: readonly string[]): this {
    const assignments = routes.map((route) => {
      const [task = '', agentId = ''] = route.split('→');
      const [taskId = '', attempt = '1'] = task.split('#');
      const reason = { strategy: 's', strategyVersion: 1, eligible: 1, candidates: [], excluded: {}, waitedMs: 0 };
      return { taskId, attempt: Number(attempt), agentId, expiresAt: this.iso, reason };
    });
    return this.put(poolStream('acme', pool), {
      type: 'TasksAssigned',
      data: { pool, assignments, assignedAt: this.iso },
    });
  }

  started(taskId: string, attempt = 1, agentId = 'anna'): this {
    return this.#task({ type: 'TaskAttemptStarted', data: { taskId, attempt, agentId, startedAt: this.iso } });
  }

  progressed(taskId: string, attempt = 1, options: Options = {}): this {
    return this.#task({ type: 'TaskProgressReported', data: { taskId, attempt, reportedAt: this.iso } }, options);
  }

  completed(taskId: string, attempt = 1, agentId = 'anna', options: Options = {}): this {
    const data: DataOf<'TaskCompleted'> = {
      taskId,
      attempt,
      agentId,
      result: null,
      durationMs: 1,
      completedAt: this.iso,
    };
    return this.#task({ type: 'TaskCompleted', data }, options);
  }

  failed(taskId: string, attempt = 1, agentId: string | undefined = 'anna'): this {
    const data = { taskId, attempt, error: TROUBLE, failedAt: this.iso, retryAt: this.iso };
    return this.#task({ type: 'TaskAttemptFailed', data: agentId === undefined ? data : { ...data, agentId } });
  }

  /** The last failure and the dead letter, in one append. */
  parked(taskId: string, attempt = 1, agentId = 'anna'): this {
    const commandId = `command-park-${this.#count}`;
    this.#task(
      { type: 'TaskAttemptFailed', data: { taskId, attempt, agentId, error: TROUBLE, failedAt: this.iso } },
      { commandId },
    );
    return this.deadLettered(taskId, 'attempts_exhausted', attempt, { commandId });
  }

  deadLettered(
    taskId: string,
    reason: DataOf<'TaskDeadLettered'>['reason'],
    attempts = 1,
    options: Options = {},
  ): this {
    const data = { taskId, reason, attempts, error: TROUBLE, deadLetteredAt: this.iso };
    return this.#task({ type: 'TaskDeadLettered', data }, options);
  }

  lost(taskId: string, attempt = 1, agentId = 'anna'): this {
    return this.#task({
      type: 'TaskOutcomeUnknown',
      data: { taskId, attempt, agentId, error: TROUBLE, occurredAt: this.iso },
    });
  }

  cancelled(taskId: string): this {
    return this.#task({ type: 'TaskCancelled', data: { taskId, cancelledAt: this.iso } });
  }

  redriven(taskId: string, nextAttempt: number): this {
    const data: DataOf<'TaskRedriven'> = {
      taskId,
      pool: 'default',
      capability: 'translate',
      priority: 3,
      strategy: 'least_loaded',
      timeoutMs: 1_000,
      nextAttempt,
      redrivenAt: this.iso,
    };
    return this.#task({ type: 'TaskRedriven', data });
  }
}
