import {
  type Circuit,
  type CircuitChange,
  countCall,
  dueChange,
  enterState,
  newCircuit,
  OPEN_MS,
} from '../resilience/circuit.ts';
import { hasSteppedBack } from '../stepped-back.ts';
import type { AgentEntry } from './agent-entry.ts';
import type { BreakerChange } from './events.ts';

type Watched = { readonly agentId: string; readonly capability: string; readonly circuit: Circuit };

const keyOf = (agentId: string, capability: string): string => `${agentId} ${capability}`;

const NEVER = Number.POSITIVE_INFINITY;

/** The breakers of a pool's agents that are open or about to change. What is counted is in the agents themselves. */
export class Breakers {
  /** By their counts. */
  readonly #ripe = new Map<string, Watched>();
  readonly #open = new Map<string, Watched>();
  /** Those among the open at which no clock has looked yet: their times are stamps of whoever led then. */
  readonly #unseen = new Set<Circuit>();
  /** When the first open one has waited long enough; undefined until somebody asks. */
  #earliestMs: number | undefined = NEVER;
  #lookedMs = Number.NEGATIVE_INFINITY;

  enter({ agentId, circuits }: AgentEntry): void {
    for (const capability in circuits) this.#watch(agentId, capability, circuits[capability] as Circuit);
  }

  leave({ agentId, circuits }: AgentEntry): void {
    for (const capability in circuits) this.#forget(keyOf(agentId, capability));
  }

  take({ circuits }: AgentEntry, capability: string, taskId: string): void {
    circuits[capability] ??= newCircuit();
    const circuit = circuits[capability];
    circuit.held += 1;
    if (circuit.state === 'half_open') circuit.probe = taskId;
  }

  giveBack({ circuits }: AgentEntry, capability: string, taskId: string): void {
    const circuit = circuits[capability];
    if (!circuit) return;
    circuit.held -= 1;
    if (circuit.probe === taskId) circuit.probe = undefined;
  }

  isProbe({ circuits }: AgentEntry, capability: string, taskId: string): boolean {
    return circuits[capability]?.probe === taskId;
  }

  /** A call of the agent has ended. */
  count({ agentId, circuits }: AgentEntry, capability: string, taskId: string, failed: boolean): void {
    circuits[capability] ??= newCircuit();
    const circuit = circuits[capability];
    countCall(circuit, taskId, failed);
    // Nothing but the end of its time changes an open one.
    if (circuit.state !== 'open') this.#watch(agentId, capability, circuit);
  }

  apply({ agentId, circuits }: AgentEntry, { capability, to }: BreakerChange, atMs: number): void {
    circuits[capability] ??= newCircuit();
    const circuit = circuits[capability];
    this.#forget(keyOf(agentId, capability));
    enterState(circuit, to, atMs);
    this.#watch(agentId, capability, circuit);
  }

  /** The changes that are due, at most `limit`, in an order that does not depend on who came when. */
  due(nowMs: number, limit: number): BreakerChange[] {
    this.#look(nowMs);
    const waiting = nowMs >= this.#earliest() ? [...this.#open] : [];
    if (this.#ripe.size === 0 && waiting.length === 0) return [];
    const due: (readonly [key: string, watched: Watched, change: CircuitChange])[] = [];
    for (const [key, watched] of [...this.#ripe, ...waiting]) {
      const change = dueChange(watched.circuit, nowMs);
      if (change) due.push([key, watched, change]);
    }
    due.sort(([a], [b]) => (a < b ? -1 : 1));
    return due.slice(0, limit).map(([, { agentId, capability }, change]) => ({ agentId, capability, ...change }));
  }

  /** When the next change is due; undefined when none is. */
  nextDueMs(): number | undefined {
    if (this.#ripe.size > 0) return 0;
    const earliestMs = this.#earliest();
    return earliestMs === NEVER ? undefined : earliestMs;
  }

  /** An open breaker waits no longer than its time from when it is first looked at, whatever clock stamped its opening. */
  #look(nowMs: number): void {
    const again = hasSteppedBack(this.#lookedMs, nowMs);
    this.#lookedMs = nowMs;
    if (this.#unseen.size === 0 && !again) return;
    for (const { circuit } of this.#open.values())
      if (again || this.#unseen.has(circuit)) circuit.untilMs = Math.min(circuit.untilMs ?? 0, nowMs + OPEN_MS);
    this.#unseen.clear();
    this.#earliestMs = undefined;
  }

  #watch(agentId: string, capability: string, circuit: Circuit): void {
    const key = keyOf(agentId, capability);
    if (circuit.state === 'open') {
      this.#open.set(key, { agentId, capability, circuit });
      this.#unseen.add(circuit);
      this.#earliestMs = undefined;
    } else if (dueChange(circuit, 0)) this.#ripe.set(key, { agentId, capability, circuit });
    else this.#ripe.delete(key);
  }

  #forget(key: string): void {
    this.#ripe.delete(key);
    const open = this.#open.get(key);
    if (!open) return;
    this.#open.delete(key);
    this.#unseen.delete(open.circuit);
    this.#earliestMs = undefined;
  }

  #earliest(): number {
    if (this.#earliestMs !== undefined) return this.#earliestMs;
    let earliestMs = NEVER;
    for (const { circuit } of this.#open.values()) earliestMs = Math.min(earliestMs, circuit.untilMs ?? 0);
    this.#earliestMs = earliestMs;
    return earliestMs;
  }
}
