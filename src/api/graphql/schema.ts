import type { GraphQLSchema } from 'graphql';
import { addAgents } from './agents/feature.ts';
import { addExecutions } from './executions/feature.ts';
import { createKit } from './kit/kit.ts';
import { addPools } from './pools/feature.ts';
import { addRules } from './rules/feature.ts';
import { addServer } from './server/feature.ts';
import { addTasks } from './tasks/feature.ts';
import { addWorkflows } from './workflows/feature.ts';

/** Each feature adds its types and root fields; a feature that shows another's types is handed them. */
export const createSchema = (): GraphQLSchema => {
  const kit = createKit();
  const agents = addAgents(kit);
  const tasks = addTasks(kit, agents);
  const workflows = addWorkflows(kit);
  addExecutions(kit, workflows, tasks);
  addPools(kit);
  addRules(kit);
  addServer(kit);
  return kit.builder.toSchema();
};
