import type { GraphQLSchema } from 'graphql';
import { addAgentCommands } from './agents/agent-commands.ts';
import { addAgentQueries, addAgentTypes } from './agents/agents.ts';
import { addAgentSubscriptions } from './agents/subscriptions.ts';
import { addCompensationDesk, addCompensationTypes } from './executions/compensation.ts';
import { addExecutionCommands } from './executions/execution-commands.ts';
import { addExecutionMigration } from './executions/execution-migration.ts';
import { addExecutionTimelineType } from './executions/execution-timeline.ts';
import { addStepTypes } from './executions/execution-types.ts';
import { addExecutionQueries, addExecutionTypes } from './executions/executions.ts';
import { addExecutionSubscriptions } from './executions/subscriptions.ts';
import { createBuilder } from './kit/builder.ts';
import { addConnections } from './kit/connection.ts';
import { addEnums } from './kit/enums.ts';
import { addErrorTypes } from './kit/error-types.ts';
import { addSharedTypes } from './kit/shared-types.ts';
import { addAuditTrail } from './server/audit.ts';
import { addProjections } from './server/projections.ts';
import { addAttemptType } from './tasks/attempts.ts';
import { addDeadLetters } from './tasks/dead-letters.ts';
import { addWhyType } from './tasks/routing.ts';
import { addStats } from './tasks/stats.ts';
import { addTaskSubscriptions } from './tasks/subscriptions.ts';
import { addTaskCommands } from './tasks/task-commands.ts';
import { addTaskQueries, addTaskTypes } from './tasks/tasks.ts';
import { addTimelineType } from './tasks/timeline.ts';
import { addWorkflowCommands } from './workflows/workflow-commands.ts';
import { addWorkflowQueries, addWorkflowTypes } from './workflows/workflows.ts';

/** Each feature adds its types and root fields; features that show another's types are handed them. */
export const createSchema = (): GraphQLSchema => {
  const builder = createBuilder();
  const enums = addEnums(builder);
  const errors = addErrorTypes(builder);
  const shared = addSharedTypes(builder);
  const addConnection = addConnections(builder);

  const agents = addAgentTypes(builder, enums, shared);
  const TaskAttempt = addAttemptType(builder, shared, agents);
  const TimelineEntry = addTimelineType(builder);
  const TaskWhy = addWhyType(builder);
  const tasks = addTaskTypes(builder, { shared, enums, agents, TaskAttempt, TimelineEntry, TaskWhy });

  const workflows = addWorkflowTypes(builder, errors);
  const steps = addStepTypes(builder, shared, workflows, tasks);
  const compensation = addCompensationTypes(builder, enums, shared, tasks);
  const ExecutionEntry = addExecutionTimelineType(builder);
  const executions = addExecutionTypes(builder, { shared, enums, workflows, steps, compensation, ExecutionEntry });

  addTaskQueries(builder, tasks, addConnection);
  addAgentQueries(builder, enums, agents, addConnection);
  addDeadLetters(builder, shared, tasks, addConnection);
  addStats(builder, tasks);
  addAuditTrail(builder, addConnection);
  addWorkflowQueries(builder, workflows, addConnection);
  addExecutionQueries(builder, enums, executions, addConnection);
  addCompensationDesk(builder, compensation, addConnection);
  addProjections(builder);

  addTaskCommands(builder, enums, tasks, errors);
  addAgentCommands(builder, enums, agents);
  addWorkflowCommands(builder, workflows, errors);
  addExecutionCommands(builder, enums, executions);
  addExecutionMigration(builder);

  addTaskSubscriptions(builder, tasks, TimelineEntry);
  addAgentSubscriptions(builder, agents);
  addExecutionSubscriptions(builder, executions, ExecutionEntry);
  return builder.toSchema();
};
