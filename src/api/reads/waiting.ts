import { isCompensation } from '../../domain/execution/unit.ts';
import { admissionStream, executionStream, taskStream } from '../../domain/ids.ts';
import type { AgentState } from '../../domain/routing/eligibility.ts';
import type { WaitingTask } from '../../domain/routing/waiting-reasons.ts';
import { explainWaiting, type Waiting } from '../../domain/routing/why-waiting.ts';
import { UnknownSchemaVersion } from '../../eventstore/codec.ts';
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

/** What keeps a task's execution from giving it to agents. */
const executionOf = async (
  { reads }: ReadContext,
  { executionId, unit }: TaskRow,
): Promise<WaitingTask['execution']> => {
  if (executionId === null) return undefined;
  const execution = await reads.executions.load(executionId);
  if (execution === null) return undefined;
  const isEnding = execution.phase === 'executing' && execution.abortReason !== null;
  if (isEnding && unit !== null && !isCompensation(unit)) return { executionId, state: 'aborting' };
  return execution.pausedAt === null ? undefined : { executionId, state: 'paused' };
};

const statesOf = async (
  { reads }: ReadContext,
  agents: Awaited<ReturnType<typeof ableAgents>>,
  nowMs: number,
): Promise<AgentState[]> => {
  const open = await reads.openTasks.loadMany(agents.map(({ agentId }) => agentId));
  const rests = await Promise.all(agents.map((agent) => reads.restOf(agent)));
  const breakers = await Promise.all(agents.map((agent) => reads.breakersOf(agent)));
  const pauses = await Promise.all(agents.map((agent) => reads.pauseEndOf(agent)));
  return agents.map((agent, index) => {
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
};

/** Whether this build can read everything that happened to the task. */
const isUnreadable = ({ commands, reads }: ReadContext, { taskId, executionId }: TaskRow): Promise<boolean> =>
  reads.once(`whether ${executionId ?? taskId} can be read`, async () => {
    try {
      if (executionId === null) await commands.tasks.load(taskStream(reads.tenant, taskId), { fresh: true });
      else await commands.executions.load(executionStream(reads.tenant, executionId), { fresh: true });
      return false;
    } catch (error) {
      if (error instanceof UnknownSchemaVersion) return true;
      throw error;
    }
  });

/** Why a task has no agent; null when it does not wait for one. */
export const waitingOf = async (task: TaskRow, context: ReadContext): Promise<Waiting | null> => {
  if (task.status !== 'ready' && task.status !== 'blocked') return null;
  const agents = await ableAgents(context, task);
  const nowMs = context.commands.clock.now();
  const states = await statesOf(context, agents, nowMs);
  const { paused: pausedPool } = await controlOf(context, task.pool);
  const asked = {
    ...task,
    pausedPool,
    poolIsLed: !context.unledPools.has(task.pool),
    versionRange: task.versionRange ?? undefined,
    retryAt: task.retryAt ?? undefined,
    ...(await dependenciesOf(task, context)),
    deadlineAt: task.deadlineAt ?? undefined,
    execution: await executionOf(context, task),
  };
  const found = explainWaiting(asked, states, nowMs);
  // The read models stop before an event that nobody can read, and so does whoever leads the pool.
  if (found.reason !== 'next_in_turn' || !(await isUnreadable(context, task))) return found;
  return explainWaiting({ ...asked, unreadable: true }, states, nowMs);
};
