import { admissionStream } from '../../domain/ids.ts';
import { explainWaiting, type Waiting } from '../../domain/routing/why-waiting.ts';
import { listAgents } from '../../projections/agents/queries.ts';
import type { BreakerRow } from '../../projections/breakers/table.ts';
import { MAX_PAGE } from '../../projections/page-size.ts';
import type { TaskRow } from '../../projections/tasks/table.ts';
import type { ReadContext } from './context.ts';

/** Registered agents that offer a capability; many tasks of one operation may ask for the same. */
const ableAgents = ({ reads }: ReadContext, { pool, capability }: Pick<TaskRow, 'pool' | 'capability'>) =>
  reads.once(`agents of ${pool} for ${capability}`, async () => {
    const page = await listAgents(
      reads.pool,
      reads.tenant,
      { pool, capability, statuses: ['active', 'warming', 'draining'] },
      { first: MAX_PAGE },
    );
    reads.reflected(page.position);
    return page.edges.map(({ node }) => node);
  });

/** As the rules ask for them. How many of the attempts are for the capability is not in the read models: in doubt all of them. */
const circuitsOf = (breakers: readonly BreakerRow[], open: number) =>
  Object.fromEntries(
    breakers.map(({ capability, state, nextTryAt }) => [
      capability,
      { state, held: open, untilMs: nextTryAt === null ? undefined : Date.parse(nextTryAt) },
    ]),
  );

const controlOf = ({ pools, commands, reads }: ReadContext, pool: string) =>
  pools.controlOf(pool) ?? commands.poolControls.load(admissionStream(reads.tenant, pool), { fresh: true });

/** What a blocked task waits for, in the order in which it was submitted with them. */
const dependenciesOf = async ({ status, dependsOn }: TaskRow, { reads }: ReadContext) => {
  if (status !== 'blocked') return {};
  const rows = await Promise.all(dependsOn.map((taskId) => reads.tasks.load(taskId)));
  return { dependencies: dependsOn.map((taskId, index) => ({ taskId, status: rows[index]?.status })) };
};

/** Why a task has no agent; null when it does not wait for one. */
export const waitingOf = async (task: TaskRow, context: ReadContext): Promise<Waiting | null> => {
  if (task.status !== 'ready' && task.status !== 'blocked') return null;
  const { reads, commands, unledPools } = context;
  const agents = await ableAgents(context, task);
  const open = await reads.openTasks.loadMany(agents.map(({ agentId }) => agentId));
  const rests = await Promise.all(agents.map((agent) => reads.restOf(agent)));
  const breakers = await Promise.all(agents.map((agent) => reads.breakersOf(agent)));
  const { paused: pausedPool } = await controlOf(context, task.pool);
  const pauses = await Promise.all(agents.map((agent) => reads.pauseEndOf(agent)));
  const nowMs = commands.clock.now();
  const states = agents.map((agent, index) => {
    const rest = rests[index];
    const pauseEndMs = pauses[index] ?? 0;
    return {
      ...agent,
      draining: agent.status === 'draining',
      maintenance: agent.maintenanceStartedAt !== null,
      warming: agent.status === 'warming',
      open: Number(open[index]),
      pausedUntilMs: pauseEndMs > nowMs ? pauseEndMs : undefined,
      circuits: circuitsOf(breakers[index] ?? [], Number(open[index])),
      rest,
      restsUntilMs: rest && rest.untilMs > nowMs ? rest.untilMs : undefined,
    };
  });
  const asked = {
    ...task,
    pausedPool,
    poolIsLed: !unledPools.has(task.pool),
    versionRange: task.versionRange ?? undefined,
    retryAt: task.retryAt ?? undefined,
    ...(await dependenciesOf(task, context)),
  };
  return explainWaiting(asked, states, nowMs);
};
