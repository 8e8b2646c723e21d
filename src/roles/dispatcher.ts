import { LocalHandOver } from '../dispatch/attempts/local-hand-over.ts';
import { createDispatcher, type Dispatcher } from '../dispatch/dispatcher.ts';
import { redisDispatchPlaces, renewPlaces } from '../dispatch/queues/dispatch-places.ts';
import { createBullWorkers } from '../dispatch/queues/worker.ts';
import { A2aTransport } from '../dispatch/transports/a2a.ts';
import type { LocalAgents } from '../dispatch/transports/local.ts';
import type { Closing } from '../platform/closing.ts';
import type { ServedPools } from '../processes/pools/served-pools.ts';
import { type Core, holder, ports } from './core.ts';

/** From the assigners of this process to its dispatcher. */
export const createHandOver = ({ queues, config, logger }: Core, localAgents: LocalAgents): LocalHandOver =>
  new LocalHandOver({
    queue: queues.attempts,
    isHere: (agent) => localAgents.isOnlyHere(agent),
    concurrency: (agent) => Math.min(config.dispatchConcurrency, localAgents.placesOf(agent)),
    clock: ports.clock,
    logger,
  });

type DispatcherParts = {
  readonly localAgents: LocalAgents;
  readonly handOver: LocalHandOver;
  readonly served: ServedPools;
};

/** Calls the agents. */
export const startDispatcher = (
  core: Core,
  { localAgents, handOver, served }: DispatcherParts,
  closing: Closing,
): Dispatcher => {
  const { tenant, commands, config, stack, redis, prefix, feed, egress, logger } = core;
  const tuning = { lockDurationMs: config.jobLockMs, stalledIntervalMs: Math.ceil(config.jobLockMs / 3) };
  const dispatcher = createDispatcher({
    commands,
    workers: createBullWorkers({ redisUrl: stack.redisUrl, prefix, logger }, tuning),
    feed,
    localAgents,
    handOver,
    a2a: new A2aTransport({ egress, clock: ports.clock, logger }),
    config,
    tenant,
    pools: served,
    clock: ports.clock,
    logger,
  });
  dispatcher.start();
  closing.add('the dispatcher', () => dispatcher.stop(config.graceMs));
  const leaving = new AbortController();
  void renewPlaces({
    places: redisDispatchPlaces(redis, prefix, tenant),
    pools: () => served.list,
    dispatcherId: `${holder}:${ports.ids.next()}`,
    concurrency: config.dispatchConcurrency,
    clock: ports.clock,
    logger,
    signal: leaving.signal,
  });
  // Not waited for: while Redis is frozen it cannot be told, and the offer runs out by itself.
  closing.add('the places of the dispatcher', () => leaving.abort());
  return dispatcher;
};
