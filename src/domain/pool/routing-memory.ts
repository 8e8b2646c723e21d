import { Affinities, type AffinitiesSnapshot } from './affinities.ts';
import type { Assignment } from './events.ts';
import { requirementKey } from './matching.ts';
import type { TaskEntry } from './task-entry.ts';
import { Turns, type TurnsSnapshot } from './turns.ts';

export type RoutingMemorySnapshot = { readonly turns: TurnsSnapshot; readonly affinities: AffinitiesSnapshot };

/** What its agent is to be remembered for; undefined where the policy binds nothing. */
const bindingKey = ({ strategy, affinityKey, executionId }: TaskEntry): string | undefined =>
  strategy === 'affinity' ? (affinityKey ?? executionId) : undefined;

/** What earlier decisions mean for the next ones. Both lists are bounded and follow from the log. */
export class RoutingMemory {
  readonly #turns: Turns;
  readonly #affinities: Affinities;

  constructor(snapshot?: RoutingMemorySnapshot) {
    this.#turns = new Turns(snapshot?.turns);
    this.#affinities = new Affinities(snapshot?.affinities);
  }

  snapshot(): RoutingMemorySnapshot {
    return { turns: this.#turns.snapshot(), affinities: this.#affinities.snapshot() };
  }

  /** The agent that got the last task of the same kind. */
  lastFor(task: TaskEntry): string | undefined {
    return this.#turns.lastOf(requirementKey(task));
  }

  /** The agent that the task's key belongs to. */
  boundTo(task: TaskEntry): string | undefined {
    const key = bindingKey(task);
    return key === undefined ? undefined : this.#affinities.agentOf(key);
  }

  assigned(task: TaskEntry, { agentId, reason }: Assignment): void {
    this.#turns.served(requirementKey(task), agentId);
    const key = bindingKey(task);
    if (key !== undefined && reason.overflow === undefined) this.#affinities.bind(key, agentId);
  }
}
