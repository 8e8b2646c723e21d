import type { Running } from '../../../domain/execution/state.ts';
import {
  type AgentGroup,
  agentGroupsOf,
  openTasksOf,
  type StepView,
  unitsOf,
} from '../../../domain/execution/steps.ts';
import type { ApiContext } from '../kit/context.ts';

export type AllocatedAgents = Pick<AgentGroup, 'role' | 'capability' | 'pool'> & {
  readonly agentIds: readonly string[];
};

/** Agents that ended units of a step or hold its open tasks; who holds them only the read model of tasks knows. */
const agentsOf = async (view: StepView, { reads }: ApiContext): Promise<string[]> => {
  const rows = await Promise.all(openTasksOf(view).map((taskId) => reads.tasks.load(taskId)));
  return [
    ...unitsOf(view).flatMap(({ agentId }) => agentId ?? []),
    ...rows.flatMap((row) => (row?.agentId ? [row.agentId] : [])),
  ];
};

/** Who did or does what. */
export const allocatedAgents = (execution: Running, context: ApiContext): Promise<AllocatedAgents[]> =>
  Promise.all(
    agentGroupsOf(execution).map(async ({ role, capability, pool, views }) => {
      const agents = await Promise.all(views.map((view) => agentsOf(view, context)));
      return { role, capability, pool, agentIds: [...new Set(agents.flat())].sort() };
    }),
  );

/** Who did a step; while it is open, who holds it. Undefined for a step that runs for each item of a list. */
export const agentOfStep = async (view: StepView, { reads }: ApiContext): Promise<string | null | undefined> => {
  const { phase, agentId, task } = view.state.unit;
  if (phase !== 'open' || task === undefined) return agentId;
  return (await reads.tasks.load(task.submitted.taskId))?.agentId;
};
