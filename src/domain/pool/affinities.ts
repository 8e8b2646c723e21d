/** Keys that are remembered: about 5 MB. The agent of a key that was not used for longest is forgotten, and drawn anew at its next task. */
export const MAX_AFFINITIES = 50_000;

export type AffinitiesSnapshot = readonly (readonly [key: string, agentId: string])[];

/** The agents that affinity keys belong to. */
export class Affinities {
  /** The one that was used last is at the end. */
  readonly #agents: Map<string, string>;

  constructor(snapshot: AffinitiesSnapshot = []) {
    this.#agents = new Map(snapshot);
  }

  snapshot(): AffinitiesSnapshot {
    return [...this.#agents];
  }

  agentOf(key: string): string | undefined {
    return this.#agents.get(key);
  }

  bind(key: string, agentId: string): void {
    this.#agents.delete(key);
    this.#agents.set(key, agentId);
    if (this.#agents.size <= MAX_AFFINITIES) return;
    const [oldest] = this.#agents.keys();
    if (oldest !== undefined) this.#agents.delete(oldest);
  }
}
