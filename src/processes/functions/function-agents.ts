import { deregisterLostAgent } from '../../commands/agent/deregister-agent.ts';
import { drainAgent } from '../../commands/agent/drain-agent.ts';
import { registerFunctionAgent } from '../../commands/agent/register-agent.ts';
import { updateAgent } from '../../commands/agent/update-agent.ts';
import type { Caller, Commands } from '../../commands/context.ts';
import type { RegisterAgentInput } from '../../domain/agent/commands.ts';
import { idIn } from '../../domain/ids.ts';
import type { StoredEvent } from '../../eventstore/event-store.ts';
import { type FollowPorts, followLog } from '../../eventstore/follow-log.ts';
import { sleep } from '../../platform/clock.ts';
import { AppError } from '../../platform/errors.ts';
import { RENEW_OFFER_EVERY_MS } from '../../platform/redis-offers.ts';
import { HEALTH_MONITOR } from '../health/health-monitor.ts';
import { type FunctionOffer, type FunctionOffers, placesOf } from './function-offers.ts';

const MAX_PLACES = 10_000;
/** Many functions are offered one after the other: they share a look at who else offers them, which may be this old. */
const LOOK_AGAIN_MS = 1_000;

export type FunctionAgentsDeps = FollowPorts & {
  readonly tenant: string;
  /** This process; unique among all that run. */
  readonly processId: string;
  readonly commands: Commands;
  readonly offers: FunctionOffers;
  /** Told whether other processes offer the agent too, whenever that may have changed. */
  readonly onShared: (agentId: string, shared: boolean) => void;
};

type Offered = { readonly offer: FunctionOffer; readonly input: RegisterAgentInput };

/**
 * The function agents that this process offers. Each is registered in the log for as long as some process offers it: the health monitor
 * deregisters it when none does, and sets its limit to the places of all that do.
 */
export class FunctionAgents {
  readonly #deps: FunctionAgentsDeps;
  readonly #caller: Caller;
  readonly #offered = new Map<string, Offered>();
  /** Places of other processes, as last read. */
  #elsewhere: ReadonlyMap<string, number> = new Map();
  #lookedMs = Number.NEGATIVE_INFINITY;
  /** What it offered until it began to stop. */
  #withdrawn: readonly FunctionOffer[] = [];

  constructor(deps: FunctionAgentsDeps) {
    this.#deps = deps;
    this.#caller = { tenant: deps.tenant, actor: 'embedded' };
  }

  /** Errors: throws `AppError` for input that is refused, and when the log cannot be reached. */
  async offer(input: RegisterAgentInput): Promise<void> {
    const { agentId, maxConcurrency: places } = input;
    const { offers, tenant, processId, logger } = this.#deps;
    const before = this.#offered.get(agentId);
    const offered = { offer: { agentId, processId, places }, input };
    this.#offered.set(agentId, offered);
    try {
      if (before && before.offer.places !== places) await offers.withdraw(tenant, [before.offer]);
      await offers.offer(tenant, [offered.offer]);
    } catch (error) {
      logger.warn({ err: error, agentId }, 'a function agent could not be offered yet; it is tried again');
    }
    await this.#register(offered);
  }

  /** Renews the offers, and registers an agent again that was deregistered although this process still offers it, until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#renew(signal), this.#follow(signal)]);
  }

  /** From here on no new work comes for this process. Never rejects: what cannot be withdrawn runs out. */
  async withdraw(): Promise<void> {
    this.#withdrawn = [...this.#offered.values()].map(({ offer }) => offer);
    this.#offered.clear();
    await this.#leaving(async (agentId, rest) => {
      if (rest === 0) await drainAgent(this.#deps.commands, this.#caller, agentId, { reason: STOPPED });
      else await updateAgent(this.#deps.commands, this.#caller, agentId, { maxConcurrency: rest });
    });
  }

  /** After the last call has ended. Never rejects. */
  async leave(): Promise<void> {
    await this.#leaving(async (agentId, rest) => {
      if (rest === 0) await deregisterLostAgent(this.#deps.commands, this.#caller, agentId, { reason: STOPPED });
    });
  }

  async #leaving(act: (agentId: string, rest: number) => Promise<unknown>): Promise<void> {
    const { offers, tenant, logger } = this.#deps;
    if (this.#withdrawn.length === 0) return;
    try {
      await offers.withdraw(tenant, this.#withdrawn);
      const places = placesOf(await offers.current(tenant));
      for (const { agentId } of this.#withdrawn) await act(agentId, places.get(agentId) ?? 0);
    } catch (error) {
      logger.warn({ err: error }, 'the function agents could not be taken out; their offers run out within seconds');
    }
  }

  async #register({ input, offer }: Offered): Promise<void> {
    const { clock, commands, onShared } = this.#deps;
    const { agentId } = offer;
    if (clock.monotonic() - this.#lookedMs >= LOOK_AGAIN_MS) await this.#look();
    else onShared(agentId, this.#elsewhere.has(agentId));
    const maxConcurrency = Math.min(MAX_PLACES, offer.places + (this.#elsewhere.get(agentId) ?? 0));
    const registered = await registerFunctionAgent(commands, this.#caller, { ...input, maxConcurrency });
    if (!registered.ok) throw new AppError('REJECTED', registered.rejection.reason, { details: registered.rejection });
  }

  /** Learns which places other processes offer; none while Redis cannot be reached. */
  async #look(): Promise<void> {
    const { clock, onShared, processId, offers, tenant, logger } = this.#deps;
    try {
      const current = await offers.current(tenant);
      this.#elsewhere = placesOf(current.filter((offer) => offer.processId !== processId));
      this.#lookedMs = clock.monotonic();
    } catch (error) {
      logger.debug({ err: error }, 'who offers the function agents could not be read');
      this.#elsewhere = new Map();
      return;
    }
    for (const agentId of this.#offered.keys()) onShared(agentId, this.#elsewhere.has(agentId));
  }

  async #renew(signal: AbortSignal): Promise<void> {
    const { clock, offers, tenant, logger } = this.#deps;
    while (!signal.aborted) {
      await sleep(clock, RENEW_OFFER_EVERY_MS, signal);
      if (signal.aborted || this.#offered.size === 0) continue;
      try {
        await offers.offer(
          tenant,
          [...this.#offered.values()].map(({ offer }) => offer),
        );
        await this.#look();
      } catch (error) {
        logger.debug({ err: error }, 'the offers of function agents could not be renewed');
      }
    }
  }

  #follow(signal: AbortSignal): Promise<void> {
    return followLog({ ...this.#deps, name: 'the function agents', signal }, (event) => this.#observe(event));
  }

  async #observe({ type, stream, metadata }: StoredEvent): Promise<void> {
    if (type !== 'AgentDeregistered') return;
    const agentId = idIn('agent', this.#deps.tenant, stream);
    const offered = agentId === undefined ? undefined : this.#offered.get(agentId);
    if (!offered) return;
    // Anybody else who takes it out means it.
    if (metadata.actor !== HEALTH_MONITOR) {
      this.#offered.delete(offered.offer.agentId);
      await this.#deps.offers.withdraw(this.#deps.tenant, [offered.offer]);
      return;
    }
    this.#deps.logger.warn(
      { agentId },
      'a function agent counted as gone although it is offered here; registering it again',
    );
    await this.#register(offered);
  }
}

const STOPPED = 'the last process that offered it stopped';
