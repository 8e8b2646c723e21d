import { endWarmUp } from '../../commands/agent/end-warm-up.ts';
import type { Commands } from '../../commands/context.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Logger } from '../../platform/logger.ts';
import type { WarmingAgent, WatchedAgents } from './watched-agents.ts';

export type WarmUpWatchDeps = {
  readonly tenant: string;
  readonly actor: string;
  readonly commands: Commands;
  readonly clock: Clock;
  readonly logger: Logger;
};

const keyOf = ({ agentId, registeredAt }: WarmingAgent): string => `${agentId} ${registeredAt}`;

/**
 * Ends warm-ups whose time is up (docs/adr/0036): counted by this process from when it first sees them, so that no other clock matters and a
 * change of leaders can only prolong one.
 */
export class WarmUpWatch {
  readonly #deps: WarmUpWatchDeps;
  readonly #agents: Pick<WatchedAgents, 'warming'>;
  /** When each warm-up was first seen, by the monotonic clock. */
  readonly #since = new Map<string, number>();

  constructor(deps: WarmUpWatchDeps, agents: Pick<WatchedAgents, 'warming'>) {
    this.#deps = deps;
    this.#agents = agents;
  }

  async check(leads: () => boolean): Promise<void> {
    const { clock, commands, tenant, actor, logger } = this.#deps;
    const { warming } = this.#agents;
    const nowMs = clock.monotonic();
    const seen = new Set(warming.map(keyOf));
    for (const key of this.#since.keys()) if (!seen.has(key)) this.#since.delete(key);
    for (const agent of warming) {
      const { agentId, limitMs } = agent;
      const sinceMs = this.#since.get(keyOf(agent)) ?? nowMs;
      this.#since.set(keyOf(agent), sinceMs);
      if (nowMs - sinceMs < limitMs) continue;
      if (!leads()) return;
      logger.info({ agentId, limitMs }, 'the time of an agent to warm up is over');
      await endWarmUp(commands, { tenant, actor }, agentId, {});
    }
  }
}
