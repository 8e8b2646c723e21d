import { changeAgentHealth } from '../../commands/agent/change-agent-health.ts';
import { deregisterAgent } from '../../commands/agent/deregister-agent.ts';
import type { Caller, Commands } from '../../commands/context.ts';
import type { AgentEvent, Health } from '../../domain/agent/events.ts';
import { judgeSilence } from '../../domain/agent/health.ts';
import { agentStream } from '../../domain/ids.ts';
import { decodeEvent } from '../../eventstore/codec.ts';
import type { StoredEvent } from '../../eventstore/event-store.ts';
import type { LogFeed } from '../../eventstore/log-feed.ts';
import { type Clock, sleep } from '../../platform/clock.ts';
import type { Lease } from '../../platform/lease.ts';
import type { Logger } from '../../platform/logger.ts';
import type { Heartbeats } from './heartbeats.ts';

const CHECK_EVERY_MS = 1_000;
const STAND_BY_MS = 1_000;

type Watched = {
  readonly intervalMs: number;
  health: Health /** Last sign of life known here; starts when we began to watch. */;
  seenMs: number;
};

export type HealthMonitorDeps = {
  readonly tenant: string;
  readonly feed: LogFeed;
  readonly commands: Commands;
  readonly heartbeats: Heartbeats;
  readonly acquireLease: () => Promise<Lease | undefined>;
  readonly clock: Clock;
  readonly logger: Logger;
};

/**
 * Turns silence into facts: only transitions (healthy, degraded, unhealthy, deregistered) are appended. A restart of this process or an
 * emptied Redis counts as a sign of life of every agent, so that our own fault never takes a fleet down.
 */
export class HealthMonitor {
  readonly #deps: HealthMonitorDeps;
  readonly #watched = new Map<string, Watched>();
  readonly #caller: Caller;

  constructor(deps: HealthMonitorDeps) {
    this.#deps = deps;
    this.#caller = { tenant: deps.tenant, actor: 'health-monitor' };
  }

  /** Runs until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps;
    while (!signal.aborted) {
      try {
        const lease = await this.#deps.acquireLease();
        if (lease) await this.#watch(AbortSignal.any([signal, lease.signal])).finally(() => lease.release());
      } catch (error) {
        logger.error({ err: error }, 'the health monitor starts over');
      }
      await sleep(clock, STAND_BY_MS, signal);
    }
  }

  async #watch(signal: AbortSignal): Promise<void> {
    this.#watched.clear();
    const stop = new AbortController();
    const ended = AbortSignal.any([signal, stop.signal]);
    const loops = [this.#follow(ended), this.#check(ended)];
    await Promise.race(loops).catch(() => {}); // the reason is thrown below
    stop.abort();
    const failure = (await Promise.allSettled(loops)).find((outcome) => outcome.status === 'rejected');
    if (failure) throw failure.reason;
  }

  async #follow(ended: AbortSignal): Promise<void> {
    const prefix = agentStream(this.#deps.tenant, '');
    for await (const { events } of this.#deps.feed.read({ maxBatch: 1_000, signal: ended }))
      for (const event of events) if (event.stream.startsWith(prefix)) this.#apply(event);
  }

  #apply(event: StoredEvent): void {
    const decoded = decodeEvent(event) as AgentEvent | undefined;
    if (!decoded) return;
    const { agentId } = decoded.data;
    switch (decoded.type) {
      case 'AgentRegistered':
      case 'AgentReconfigured': {
        const { heartbeatIntervalMs: intervalMs } = decoded.data;
        const health =
          decoded.type === 'AgentRegistered' ? 'healthy' : (this.#watched.get(agentId)?.health ?? 'healthy');
        if (intervalMs === undefined) this.#watched.delete(agentId);
        else this.#watched.set(agentId, { intervalMs, health, seenMs: this.#deps.clock.now() });
        return;
      }
      case 'AgentHealthChanged': {
        const watched = this.#watched.get(agentId);
        if (watched) watched.health = decoded.data.to;
        return;
      }
      case 'AgentDeregistered':
        this.#watched.delete(agentId);
        return;
      case 'AgentDrainStarted':
        return;
    }
  }

  async #check(ended: AbortSignal): Promise<void> {
    const { clock, heartbeats, tenant, logger } = this.#deps;
    while (!ended.aborted) {
      await sleep(clock, CHECK_EVERY_MS, ended);
      if (ended.aborted || this.#watched.size === 0) continue;
      try {
        const beats = await heartbeats.last(tenant);
        // One after the other: a whole fleet that falls silent must not become a burst of appends.
        for (const [agentId, watched] of this.#watched) await this.#judge(agentId, watched, beats.get(agentId));
      } catch (error) {
        logger.warn({ err: error }, 'heartbeats could not be checked');
        const now = clock.now();
        for (const watched of this.#watched.values()) watched.seenMs = now;
      }
    }
  }

  async #judge(agentId: string, watched: Watched, beatMs: number | undefined): Promise<void> {
    const { clock, commands, logger } = this.#deps;
    if (beatMs !== undefined && beatMs > watched.seenMs) watched.seenMs = beatMs;
    const silentMs = clock.now() - watched.seenMs;
    const verdict = judgeSilence(silentMs, watched.intervalMs);
    if (verdict === watched.health) return;
    const reason = verdict === 'healthy' ? 'heartbeats are back' : `no heartbeat for ${Math.round(silentMs)} ms`;
    logger.info({ agentId, verdict, silentMs }, 'the health of an agent changed');
    if (verdict === 'gone') {
      await deregisterAgent(commands, this.#caller, agentId, { reason });
      await this.#deps.heartbeats.forget(this.#deps.tenant, agentId);
    } else {
      await changeAgentHealth(commands, this.#caller, agentId, { to: verdict, reason });
      watched.health = verdict;
    }
  }
}
