import { accepted, DeregisterAgent, RegisterAgent } from 'baton-client';
import { allStarted } from '../../examples/agent/spawn-agent.ts';
import { CARBON_AGENTS, type CarbonAgent, spawnCarbonAgent } from '../../examples/carbon/spawn-agent.ts';
import type { Client } from '../client.ts';

const HEARTBEAT_MS = 1_000;
/** Extra time per call, so that agents have open work when one of them is killed. */
const WORK_MS = 10;
const MAX_CONCURRENCY = 20;

/** The agents of a run: three processes, registered in their own pool. */
export class Crew {
  readonly agents: readonly CarbonAgent[];
  readonly #client: Client;
  readonly #killAll = (): void => {
    for (const { process: child } of this.agents) child.kill('SIGKILL');
  };

  private constructor(client: Client, agents: readonly CarbonAgent[]) {
    this.#client = client;
    this.agents = agents;
    process.on('exit', this.#killAll); // they must not outlive the demo
  }

  static async start(client: Client, runId: string): Promise<Crew> {
    const heartbeat = { batonUrl: client.url, intervalMs: HEARTBEAT_MS };
    const agents = await allStarted(
      CARBON_AGENTS.map((name) => spawnCarbonAgent(name, { agentId: `${name}-${runId}`, heartbeat, workMs: WORK_MS })),
    );
    return new Crew(client, agents);
  }

  get ids(): string[] {
    return this.agents.map(({ agentId }) => agentId);
  }

  /** Returns the log position of the last registration. */
  async register(pool: string): Promise<string> {
    let position = '0';
    for (const { agentId, cardUrl } of this.agents) {
      const input = {
        agentId,
        pool,
        cardUrl,
        maxConcurrency: MAX_CONCURRENCY,
        heartbeatIntervalMs: HEARTBEAT_MS,
        labels: { example: 'carbon' },
      };
      position = accepted(await this.#client.execute(RegisterAgent, { input })).position;
    }
    return position;
  }

  /** Kills one agent as a power cut would. */
  kill(): CarbonAgent | undefined {
    const victim = this.agents.find(({ name }) => name === 'calculator');
    victim?.process.kill('SIGKILL');
    return victim;
  }

  async deregister(): Promise<void> {
    for (const { agentId } of this.agents)
      await this.#client.execute(DeregisterAgent, { agentId, reason: 'end of the demo' });
  }

  async stop(): Promise<void> {
    await Promise.all(this.agents.map((agent) => agent.stop()));
    process.off('exit', this.#killAll);
  }
}
