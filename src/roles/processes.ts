import { keepDeadLetters } from '../dispatch/queues/dead-letter-board.ts';
import type { DeadLetter } from '../dispatch/queues/dead-letter-queue.ts';
import { createExecutionFollower } from '../processes/executions/execution-follower.ts';
import { postgresSnapshots } from '../processes/fold-snapshots.ts';
import { redisFunctionOffers } from '../processes/functions/function-offers.ts';
import { createHealthMonitor } from '../processes/health/health-monitor.ts';
import { redisHeartbeats } from '../processes/health/heartbeats.ts';
import type { LeaderStatus } from '../processes/leader.ts';
import type { Process } from '../processes/run.ts';
import { listDeadLetters } from '../projections/dead-letters/queries.ts';
import { MAX_PAGE } from '../projections/page-size.ts';
import { type Core, leaseOf, ports } from './core.ts';

const healthMonitor = (core: Core) =>
  createHealthMonitor({
    tenant: core.tenant,
    snapshots: postgresSnapshots(core.database),
    feed: core.feed,
    commands: core.commands,
    heartbeats: redisHeartbeats(core.redis, core.prefix),
    offers: redisFunctionOffers(core.redis, core.prefix),
    acquireLease: leaseOf(core, `health:${core.tenant}`),
    clock: ports.clock,
    logger: core.logger,
  });

const executionFollower = (core: Core) =>
  createExecutionFollower({
    tenant: core.tenant,
    feed: core.feed,
    commands: core.commands,
    snapshots: postgresSnapshots(core.database),
    acquireLease: leaseOf(core, `executions:${core.tenant}`),
    clock: ports.clock,
    logger: core.logger,
  });

/** All open dead letters at one moment; those that come or go between two pages are in the log after the first page's position. */
const openDeadLetters = async ({ database, tenant }: Core) => {
  const letters: DeadLetter[] = [];
  let page = await listDeadLetters(database, tenant, { statuses: ['open'] }, { first: MAX_PAGE });
  const { position } = page;
  for (;;) {
    letters.push(...page.edges.map(({ node }) => node));
    const last = page.edges.at(-1);
    if (!page.hasNextPage || !last) return { letters, position };
    page = await listDeadLetters(database, tenant, { statuses: ['open'] }, { first: MAX_PAGE, after: last.cursor });
  }
};

const deadLetterBoard = (core: Core, signal: AbortSignal): Promise<void> => {
  const { queues, feed, logger } = core;
  const openOnes = () => openDeadLetters(core);
  return keepDeadLetters(
    { queue: queues.deadLetters, attempts: queues.attempts, feed, openOnes, clock: ports.clock, logger },
    signal,
  );
};

/** The background processes that belong to no other role, and the status of those that lead. */
export const backgroundProcesses = (core: Core): { processes: Process[]; leaders: (() => LeaderStatus)[] } => {
  const health = healthMonitor(core);
  const executions = executionFollower(core);
  return {
    processes: [
      { name: 'health monitor', run: (signal) => health.run(signal) },
      { name: 'executions', run: (signal) => executions.run(signal) },
      { name: 'dead letter board', run: (signal) => deadLetterBoard(core, signal) },
    ],
    leaders: [() => health.status(), () => executions.status()],
  };
};
