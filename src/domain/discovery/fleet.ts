import type { AgentEvent, AgentProfile } from '../agent/events.ts';
import type { BreakerChange, PoolEvent } from '../pool/events.ts';
import { pauseMs } from '../resilience/pause.ts';
import { isUnreachable, type TaskEvent } from '../task/events.ts';
import { AgentIndex } from './agent-index.ts';
import type { Discovery } from './answer.ts';
import { type Candidate, type Condition, factsOf } from './candidate.ts';
import type { DiscoverAgentsInput } from './query.ts';

/** Open tasks, each with the agent that holds it or without. */
type OpenTask = readonly [taskId: string, agentId?: string];

export type FleetPart =
  | { readonly part: number; readonly items: readonly ['agents', ...Candidate[]] }
  | { readonly part: number; readonly items: readonly ['tasks', ...OpenTask[]] };

/** About 400 KB of JSON. */
const AGENTS_PER_PART = 1_000;
const TASKS_PER_PART = 5_000;

/** Raised with any change of what a snapshot holds or means. */
export const FLEET_VERSION = 3;

const chunked = <Item>(items: readonly Item[], size: number): Item[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, n) => items.slice(n * size, (n + 1) * size));

type Registration = Extract<AgentEvent, { type: 'AgentRegistered' }>['data'];
type AttemptFailed = Extract<TaskEvent, { type: 'TaskAttemptFailed' }>['data'];
type Changed = Exclude<AgentEvent, { type: 'AgentRegistered' | 'AgentReconfigured' | 'AgentDeregistered' }>;

const conditionAfter = (event: Changed): Partial<Condition> => {
  switch (event.type) {
    case 'AgentHealthChanged':
      return { health: event.data.to };
    case 'AgentWarmUpEnded':
      return { warming: false };
    case 'AgentMaintenanceStarted':
      return { maintenance: true };
    case 'AgentMaintenanceEnded':
      return { maintenance: false };
    case 'AgentDrainStarted':
      return { draining: true, warming: false };
    case 'AgentDrainEnded':
      return { draining: false };
  }
};

/** The registered agents of a tenant with what they hold. A fold of the log, changed in place (docs/adr/0002). */
export class Fleet {
  readonly #agents = new AgentIndex();
  readonly #open = new Map<string, string | undefined>();
  /** Attempts that each agent holds, also one that is away for a while. */
  readonly #held = new Map<string, number>();

  /** All of it is in parts. */
  snapshot(): Record<string, never> {
    return {};
  }

  takeParts(): FleetPart[] {
    const agents = chunked(this.#agents.all(), AGENTS_PER_PART).map(
      (some) => ['agents', ...some.map((agent) => ({ ...agent }))] as const,
    );
    const tasks = chunked([...this.#open], TASKS_PER_PART).map(
      (some) =>
        ['tasks', ...some.map(([id, agentId]): OpenTask => (agentId === undefined ? [id] : [id, agentId]))] as const,
    );
    return [...agents, ...tasks].map((items, part) => ({ part, items }) as FleetPart);
  }

  restorePart({ items }: FleetPart): void {
    const [kind, ...members] = items;
    if (kind === 'agents') for (const agent of members as readonly Candidate[]) this.#agents.put(agent);
    else for (const [taskId, agentId] of members as readonly OpenTask[]) this.#restoreTask(taskId, agentId);
  }

  get size(): number {
    return this.#agents.size;
  }

  discover(query: DiscoverAgentsInput, nowMs: number): Discovery {
    return this.#agents.discover(query, nowMs);
  }

  /** Nothing is due without an event. */
  nextDueMs(): undefined {
    return undefined;
  }

  /** What is known of it stays as it is. */
  halt(): void {}

  evolve(event: AgentEvent | TaskEvent | PoolEvent): void {
    switch (event.type) {
      case 'AgentRegistered':
        this.#register(event.data);
        return;
      case 'AgentReconfigured':
        this.#reconfigure(event.data);
        return;
      case 'AgentHealthChanged':
      case 'AgentWarmUpEnded':
      case 'AgentMaintenanceStarted':
      case 'AgentMaintenanceEnded':
      case 'AgentDrainStarted':
      case 'AgentDrainEnded':
        this.#agents.setCondition(event.data.agentId, conditionAfter(event));
        return;
      case 'AgentDeregistered':
        this.#agents.delete(event.data.agentId);
        return;
      default:
        this.#evolveTasks(event);
        return;
    }
  }

  #evolveTasks(event: TaskEvent | PoolEvent): void {
    switch (event.type) {
      case 'TaskSubmitted':
      case 'TaskRedriven':
        this.#open.set(event.data.taskId, undefined);
        return;
      case 'TasksAssigned':
        for (const { taskId, agentId } of event.data.assignments) this.#take(taskId, agentId);
        return;
      case 'BreakersChanged':
        for (const change of event.data.changes) this.#changeBreaker(change);
        return;
      case 'TaskAttemptFailed':
        this.#giveBack(event.data.taskId);
        this.#failed(event.data);
        return;
      case 'TaskCompleted':
      case 'TaskOutcomeUnknown':
        this.#close(event.data.taskId);
        this.#reached(event.data.agentId, false);
        return;
      case 'TaskCancelled':
      case 'TaskFailed':
      case 'TaskDeadLettered':
        this.#close(event.data.taskId);
        return;
      default:
        return;
    }
  }

  #register(data: Registration): void {
    const { agentId, maintenance = false, ...profile } = data;
    const warming = profile.warmUpMs !== undefined;
    const fresh = {
      health: 'healthy',
      draining: false,
      maintenance,
      warming,
      unreachable: false,
      openBreakers: [],
    } as const;
    this.#agents.put({ agentId, ...factsOf(profile), ...fresh, open: this.#held.get(agentId) ?? 0 });
  }

  #restoreTask(taskId: string, agentId: string | undefined): void {
    this.#open.set(taskId, agentId);
    if (agentId !== undefined) this.#held.set(agentId, (this.#held.get(agentId) ?? 0) + 1);
  }

  #reconfigure({ agentId, ...profile }: AgentProfile & { readonly agentId: string }): void {
    const agent = this.#agents.get(agentId);
    if (agent) this.#agents.put({ ...agent, ...factsOf(profile) });
  }

  #failed({ agentId, error, failedAt, retryAfterMs }: AttemptFailed): void {
    this.#reached(agentId, isUnreachable(error));
    if (agentId !== undefined && retryAfterMs !== undefined)
      this.#agents.setCondition(agentId, { pausedUntilMs: Date.parse(failedAt) + pauseMs(retryAfterMs) });
  }

  #changeBreaker({ agentId, capability, to }: BreakerChange): void {
    const others = this.#agents.get(agentId)?.openBreakers.filter((open) => open !== capability) ?? [];
    this.#agents.setCondition(agentId, { openBreakers: to === 'open' ? [...others, capability].sort() : others });
  }

  #reached(agentId: string | undefined, unreachable: boolean): void {
    if (agentId !== undefined) this.#agents.setCondition(agentId, { unreachable });
  }

  /** An assignment is void unless the task waits: it may have ended between decision and append. */
  #take(taskId: string, agentId: string): void {
    if (!this.#open.has(taskId) || this.#open.get(taskId) !== undefined) return;
    this.#open.set(taskId, agentId);
    this.#count(agentId, 1);
  }

  #giveBack(taskId: string): void {
    const holder = this.#open.get(taskId);
    if (holder === undefined) return;
    this.#open.set(taskId, undefined);
    this.#count(holder, -1);
  }

  #close(taskId: string): void {
    this.#giveBack(taskId);
    this.#open.delete(taskId);
  }

  #count(agentId: string, by: 1 | -1): void {
    const open = (this.#held.get(agentId) ?? 0) + by;
    if (open === 0) this.#held.delete(agentId);
    else this.#held.set(agentId, open);
    this.#agents.setCondition(agentId, { open });
  }
}
