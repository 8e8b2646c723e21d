import { changeAgentHealth, silenceAgent } from '../../commands/agent/change-agent-health.ts';
import { deregisterLostAgent } from '../../commands/agent/deregister-agent.ts';
import type { Commands } from '../../commands/context.ts';
import { agentStream } from '../../domain/ids.ts';
import type { FunctionOffers } from '../functions/function-offers.ts';
import { type Chore, type FoldDefinition, Leader, type LeaderDeps, type Term } from '../leader.ts';
import { FunctionWatch } from './function-watch.ts';
import type { Heartbeats, LastBeat } from './heartbeats.ts';
import { Silence } from './silence.ts';
import { WarmUpWatch } from './warm-up-watch.ts';
import { type HealthChange, WATCHED_AGENTS_VERSION, WatchedAgents } from './watched-agents.ts';

const CHECK_EVERY_MS = 1_000;

/** The actor of what the health monitor records. */
export const HEALTH_MONITOR = 'health-monitor';

export type HealthMonitorDeps = LeaderDeps & {
  readonly commands: Commands;
  readonly heartbeats: Heartbeats;
  readonly offers: FunctionOffers;
};

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
 * Turns silence into facts: only transitions (healthy, degraded, unhealthy, deregistered) are appended. A restart or a suspension of this
 * process, and trouble with Redis, count as a sign of life of every agent, so that our own fault never takes a fleet down. Two leaders at
 * once do no harm: the same health again records nothing.
 */
export const createHealthMonitor = (deps: HealthMonitorDeps): Leader<WatchedAgents> =>
  new Leader({ fold: watchedAgentsOf(deps.tenant), begin: (agents) => new HealthTerm(deps, agents) }, deps);

/** Of an agent that has sent none. */
const NO_BEAT: LastBeat = { atMs: 0, condition: 1 };

const reasonOf = ({ verdict, silentMs, score, isSilent }: HealthChange): string => {
  if (isSilent) return `no heartbeat for ${Math.round(silentMs)} ms`;
  const reported = `its heartbeats report a health of ${score.toFixed(2)}`;
  return verdict === 'healthy' && score === 1 ? 'heartbeats are back' : reported;
};

class HealthTerm implements Term {
  readonly chores: readonly Chore[];
  readonly #deps: HealthMonitorDeps;
  readonly #agents: WatchedAgents;
  /** Last heartbeat of each agent; remembered, because an emptied Redis does not take it back. */
  #beats: ReadonlyMap<string, LastBeat> = new Map();
  #silence: Silence;

  constructor(deps: HealthMonitorDeps, agents: WatchedAgents) {
    this.#deps = deps;
    this.#agents = agents;
    this.#silence = new Silence(deps.clock.monotonic());
    const warmUps = new WarmUpWatch({ ...deps, actor: HEALTH_MONITOR }, agents);
    const functions = new FunctionWatch({ ...deps, actor: HEALTH_MONITOR }, agents);
    this.chores = [
      { everyMs: CHECK_EVERY_MS, run: (leads) => this.#check(leads) },
      { everyMs: CHECK_EVERY_MS, run: (leads) => warmUps.check(leads) },
      { everyMs: CHECK_EVERY_MS, run: (leads) => functions.check(leads) },
    ];
  }

  async takeOver(): Promise<void> {
    this.#silence = new Silence(this.#deps.clock.monotonic());
  }

  async #check(leads: () => boolean): Promise<void> {
    const { clock, logger } = this.#deps;
    try {
      if (!this.#notice()) this.#logGap();
      const askedMs = clock.monotonic();
      await this.#listen(askedMs);
      // One after the other: a whole fleet that falls silent must not become a burst of appends.
      for (const { agentId } of this.#agents.agents) {
        if (!this.#notice() || !leads()) return;
        const change = this.#agents.changeOf(
          agentId,
          this.#silence.of(agentId, askedMs),
          this.#beats.get(agentId)?.condition,
        );
        if (change) await this.#record(change);
      }
    } catch (error) {
      logger.warn({ err: error }, 'heartbeats could not be checked');
      this.#silence.restart(clock.monotonic());
    }
  }

  #notice(): boolean {
    return this.#silence.notice(this.#deps.clock.monotonic());
  }

  #logGap(): void {
    this.#deps.logger.warn(
      'this process did not run for a while; until heartbeats can have come, every agent counts as alive',
    );
  }

  /** @param askedMs from when on what the answer does not hold may have come */
  async #listen(askedMs: number): Promise<void> {
    const { agents } = this.#agents;
    if (agents.length === 0) return;
    const beats = await this.#deps.heartbeats.last(this.#deps.tenant);
    this.#beats = new Map(agents.map(({ agentId: id }) => [id, beats.get(id) ?? this.#beats.get(id) ?? NO_BEAT]));
    const signOf = (id: string, registeredMs: number): string => `${registeredMs}/${this.#beats.get(id)?.atMs}`;
    const signs = new Map(agents.map(({ agentId, registeredMs }) => [agentId, signOf(agentId, registeredMs)]));
    this.#silence.hear(signs, askedMs);
  }

  async #record(change: HealthChange): Promise<void> {
    const { agentId, verdict, silentMs } = change;
    const { commands, heartbeats, tenant, logger } = this.#deps;
    const caller = { tenant, actor: HEALTH_MONITOR };
    const reason = reasonOf(change);
    logger.info({ agentId, verdict, silentMs }, 'the health of an agent changed');
    if (verdict === 'gone') {
      await deregisterLostAgent(commands, caller, agentId, { reason });
      await heartbeats.forget(tenant, agentId);
    } else if (change.isInactive) await silenceAgent(commands, caller, agentId, { reason });
    else await changeAgentHealth(commands, caller, agentId, { to: verdict, reason });
  }
}
