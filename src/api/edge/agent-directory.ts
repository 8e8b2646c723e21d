import type { AgentHandler } from '../../commands/context.ts';
import type { AgentEvent } from '../../domain/agent/events.ts';
import { AgentId, agentStream } from '../../domain/ids.ts';
import type { StoredEvent } from '../../eventstore/event-store.ts';

const GONE: AgentEvent['type'] = 'AgentDeregistered';

/** Which agents are registered, for callers that ask very often. */
export class AgentDirectory {
  readonly #agents: Pick<AgentHandler, 'load'>;
  /** Streams of agents known to be registered; as many as there are agents. */
  readonly #registered = new Set<string>();
  /** Reads under way, so that many simultaneous requests about one agent read its stream once. */
  readonly #asking = new Map<string, Promise<boolean>>();

  constructor(agents: Pick<AgentHandler, 'load'>) {
    this.#agents = agents;
  }

  /** Must be called with every event of the log. */
  observe(event: StoredEvent): void {
    if (event.type === GONE) this.#registered.delete(event.stream);
  }

  /** Answers without waiting for agents that were asked about before. */
  has(tenant: string, agentId: string): boolean | Promise<boolean> {
    const stream = agentStream(tenant, agentId);
    if (this.#registered.has(stream)) return true;
    if (!AgentId.safeParse(agentId).success) return false;
    const asking = this.#asking.get(stream) ?? this.#ask(stream);
    this.#asking.set(stream, asking);
    return asking;
  }

  async #ask(stream: string): Promise<boolean> {
    try {
      const { status } = await this.#agents.load(stream, { fresh: true });
      const registered = status === 'active' || status === 'draining';
      if (registered) this.#registered.add(stream);
      return registered;
    } finally {
      this.#asking.delete(stream);
    }
  }
}
