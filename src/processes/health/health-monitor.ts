import { changeAgentHealth } from '../../commands/agent/change-agent-health.ts';
import { deregisterAgent } from '../../commands/agent/deregister-agent.ts';
import type { Commands } from '../../commands/context.ts';
import { agentStream } from '../../domain/ids.ts';
import { type FoldDefinition, Leader, type LeaderDeps, type Term } from '../leader.ts';
import type { Heartbeats } from './heartbeats.ts';
import { type HealthChange, WATCHED_AGENTS_VERSION, WatchedAgents } from './watched-agents.ts';

const CHECK_EVERY_MS = 1_000;

export type HealthMonitorDeps = LeaderDeps & { readonly commands: Commands; readonly heartbeats: Heartbeats };

const watchedAgentsOf = (tenant: string): FoldDefinition<WatchedAgents> => {
  const prefix = agentStream(tenant, '');
  return {
    name: 'health',
    version: WATCHED_AGENTS_VERSION,
    start: (snapshot) => new WatchedAgents(snapshot),
    wants: ({ stream }) => stream.startsWith(prefix),
  };
};

/**
 * Turns silence into facts: only transitions (healthy, degraded, unhealthy, deregistered) are appended. A restart of this process or
 * trouble with Redis counts as a sign of life of every agent, so that our own fault never takes a fleet down. Two leaders at once do no
 * harm: the same health again records nothing.
 */
export const createHealthMonitor = (deps: HealthMonitorDeps): Leader<WatchedAgents> =>
  new Leader({ fold: watchedAgentsOf(deps.tenant), begin: (agents) => new HealthTerm(deps, agents) }, deps);

class HealthTerm implements Term {
  readonly chores = [{ everyMs: CHECK_EVERY_MS, run: () => this.#check() }];
  readonly #deps: HealthMonitorDeps;
  readonly #agents: WatchedAgents;
  /** Last heartbeat of each agent; remembered, because an emptied Redis does not take it back. */
  #beats: ReadonlyMap<string, number> = new Map();
  /** Every agent counts as alive then. */
  #aliveMs: number;

  constructor(deps: HealthMonitorDeps, agents: WatchedAgents) {
    this.#deps = deps;
    this.#agents = agents;
    this.#aliveMs = deps.clock.now();
  }

  async takeOver(): Promise<void> {
    this.#aliveMs = this.#deps.clock.now();
  }

  async #check(): Promise<void> {
    const { clock, heartbeats, tenant, logger } = this.#deps;
    const { agentIds } = this.#agents;
    if (agentIds.length === 0) return;
    try {
      const beats = await heartbeats.last(tenant);
      this.#beats = new Map(agentIds.map((id) => [id, Math.max(this.#beats.get(id) ?? 0, beats.get(id) ?? 0)]));
      // One after the other: a whole fleet that falls silent must not become a burst of appends.
      for (const [agentId, beatMs] of this.#beats) {
        const change = this.#agents.changeOf(agentId, clock.now(), Math.max(this.#aliveMs, beatMs));
        if (change) await this.#record(change);
      }
    } catch (error) {
      logger.warn({ err: error }, 'heartbeats could not be checked');
      this.#aliveMs = clock.now();
    }
  }

  async #record({ agentId, verdict, silentMs }: HealthChange): Promise<void> {
    const { commands, heartbeats, tenant, logger } = this.#deps;
    const caller = { tenant, actor: 'health-monitor' };
    const reason = verdict === 'healthy' ? 'heartbeats are back' : `no heartbeat for ${Math.round(silentMs)} ms`;
    logger.info({ agentId, verdict, silentMs }, 'the health of an agent changed');
    if (verdict === 'gone') {
      await deregisterAgent(commands, caller, agentId, { reason });
      await heartbeats.forget(tenant, agentId);
    } else await changeAgentHealth(commands, caller, agentId, { to: verdict, reason });
  }
}
