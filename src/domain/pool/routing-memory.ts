import type { Assignment } from './events.ts';
import { LastAgents, type LastAgentsSnapshot } from './last-agents.ts';
import { requirementKey } from './matching.ts';
import type { TaskEntry } from './task-entry.ts';

/** Requirements whose turn is remembered: about 1 MB. With fewer, `round_robin` begins anew where requirements vary more. */
export const MAX_TURNS = 10_000;
/** Affinity keys that are remembered: about 5 MB. A key that is forgotten gets another agent with its next task. */
export const MAX_AFFINITIES = 50_000;

export type RoutingMemorySnapshot = {
  readonly turns: LastAgentsSnapshot;
  readonly affinities: LastAgentsSnapshot;
};

/** What its agent is to be remembered for; undefined where the policy binds nothing. */
const bindingKey = ({ strategy, affinityKey, executionId }: TaskEntry): string | undefined =>
  strategy === 'affinity' ? (affinityKey ?? executionId) : undefined;

/** What earlier decisions mean for the next ones. Both lists are bounded and follow from the log. */
export class RoutingMemory {
  /** By requirement; where `round_robin` goes on. */
  readonly #turns: LastAgents;
  /** By affinity key. */
  readonly #affinities: LastAgents;

  constructor(snapshot?: RoutingMemorySnapshot) {
    this.#turns = new LastAgents(MAX_TURNS, snapshot?.turns);
    this.#affinities = new LastAgents(MAX_AFFINITIES, snapshot?.affinities);
  }

  snapshot(): RoutingMemorySnapshot {
    return { turns: this.#turns.snapshot(), affinities: this.#affinities.snapshot() };
  }

  /** The agent that got the last task of the same kind. */
  lastFor(task: TaskEntry): string | undefined {
    return this.#turns.agentOf(requirementKey(task));
  }

  /** The agent that the task's key belongs to. */
  boundTo(task: TaskEntry): string | undefined {
    const key = bindingKey(task);
    return key === undefined ? undefined : this.#affinities.agentOf(key);
  }

  assigned(task: TaskEntry, { agentId, reason }: Assignment): void {
    this.#turns.give(requirementKey(task), agentId);
    const key = bindingKey(task);
    if (key !== undefined && reason.overflow === undefined) this.#affinities.give(key, agentId);
  }
}
