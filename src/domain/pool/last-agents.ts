export type LastAgentsSnapshot = readonly (readonly [key: string, agentId: string])[];

/** The agent that each of the keys was given last. Of more than `limit` keys, the one that was given an agent longest ago is forgotten. */
export class LastAgents {
  readonly #limit: number;
  /** The key that was given one last is at the end. */
  readonly #agents: Map<string, string>;

  constructor(limit: number, snapshot: LastAgentsSnapshot = []) {
    this.#limit = limit;
    this.#agents = new Map(snapshot);
  }

  snapshot(): LastAgentsSnapshot {
    return [...this.#agents];
  }

  agentOf(key: string): string | undefined {
    return this.#agents.get(key);
  }

  give(key: string, agentId: string): void {
    this.#agents.delete(key);
    this.#agents.set(key, agentId);
    if (this.#agents.size <= this.#limit) return;
    const [oldest] = this.#agents.keys();
    if (oldest !== undefined) this.#agents.delete(oldest);
  }
}
