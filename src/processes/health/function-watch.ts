import { deregisterLostAgent } from '../../commands/agent/deregister-agent.ts';
import { updateAgent } from '../../commands/agent/update-agent.ts';
import type { Commands } from '../../commands/context.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Logger } from '../../platform/logger.ts';
import { RENEW_OFFER_EVERY_MS } from '../../platform/redis-offers.ts';
import { type FunctionOffers, placesOf } from '../functions/function-offers.ts';
import { Silence } from './silence.ts';
import type { FunctionAgent, WatchedAgents } from './watched-agents.ts';

/** An offer must have been missing for this long: after Redis lost its data, every process has renewed its offers by then. */
const GONE_AFTER_MS = RENEW_OFFER_EVERY_MS + 1_000;
const MAX_PLACES = 10_000;

export type FunctionWatchDeps = {
  readonly tenant: string;
  readonly actor: string;
  readonly commands: Commands;
  readonly offers: FunctionOffers;
  readonly clock: Clock;
  readonly logger: Logger;
};

/** Takes out function agents that no process offers any more, and sets the limit of each to the places of those that do. */
export class FunctionWatch {
  readonly #deps: FunctionWatchDeps;
  readonly #agents: WatchedAgents;
  readonly #silence: Silence;
  /** Grows with every check that saw the agent offered. */
  readonly #seen = new Map<string, number>();

  constructor(deps: FunctionWatchDeps, agents: WatchedAgents) {
    this.#deps = deps;
    this.#agents = agents;
    this.#silence = new Silence(deps.clock.monotonic());
  }

  async check(leads: () => boolean): Promise<void> {
    const { clock, offers, tenant, logger } = this.#deps;
    try {
      this.#notice();
      const askedMs = clock.monotonic();
      const { functions } = this.#agents;
      if (functions.length === 0) return;
      const places = placesOf(await offers.current(tenant));
      this.#hear(functions, places, askedMs);
      for (const agent of functions) {
        if (!this.#notice() || !leads()) return;
        await this.#judge(agent, places.get(agent.agentId), askedMs);
      }
    } catch (error) {
      logger.warn({ err: error }, 'the offers of function agents could not be checked');
      this.#silence.restart(clock.monotonic());
    }
  }

  #notice(): boolean {
    return this.#silence.notice(this.#deps.clock.monotonic());
  }

  #hear(functions: readonly FunctionAgent[], places: ReadonlyMap<string, number>, askedMs: number): void {
    const signs = new Map<string, string>();
    for (const { agentId } of functions) {
      const seen = (this.#seen.get(agentId) ?? 0) + (places.has(agentId) ? 1 : 0);
      this.#seen.set(agentId, seen);
      signs.set(agentId, String(seen));
    }
    for (const agentId of this.#seen.keys()) if (!signs.has(agentId)) this.#seen.delete(agentId);
    this.#silence.hear(signs, askedMs);
  }

  async #judge({ agentId, maxConcurrency }: FunctionAgent, places: number | undefined, askedMs: number): Promise<void> {
    const { tenant, actor, commands, logger } = this.#deps;
    const caller = { tenant, actor };
    if (places !== undefined) {
      const all = Math.min(places, MAX_PLACES);
      if (all !== maxConcurrency) await updateAgent(commands, caller, agentId, { maxConcurrency: all });
    } else if (this.#silence.of(agentId, askedMs) > GONE_AFTER_MS) {
      logger.info({ agentId }, 'no process offers this function agent any more');
      await deregisterLostAgent(commands, caller, agentId, { reason: 'no process offers it any more' });
    }
  }
}
