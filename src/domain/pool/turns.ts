/** Requirements that are remembered: about 1 MB. With fewer, `round_robin` begins anew where requirements vary more. */
export const MAX_TURNS = 10_000;

export type TurnsSnapshot = readonly (readonly [requirement: string, agentId: string])[];

/** The agent that was served last per requirement; where `round_robin` goes on. The requirement that was served longest ago is forgotten first. */
export class Turns {
  /** The one that was served last is at the end. */
  readonly #last: Map<string, string>;

  constructor(snapshot: TurnsSnapshot = []) {
    this.#last = new Map(snapshot);
  }

  snapshot(): TurnsSnapshot {
    return [...this.#last];
  }

  lastOf(requirement: string): string | undefined {
    return this.#last.get(requirement);
  }

  served(requirement: string, agentId: string): void {
    this.#last.delete(requirement);
    this.#last.set(requirement, agentId);
    if (this.#last.size <= MAX_TURNS) return;
    const [oldest] = this.#last.keys();
    if (oldest !== undefined) this.#last.delete(oldest);
  }
}
