import type { GraphQLSchema } from 'graphql';
import { addAgentCommands } from './agent-commands.ts';
import { addAgentQueries, addAgentTypes } from './agents.ts';
import { addAttemptType } from './attempts.ts';
import { addAuditTrail } from './audit.ts';
import { createBuilder } from './builder.ts';
import { addCompensationDesk, addCompensationTypes } from './compensation.ts';
import { addConnections } from './connection.ts';
import { addDeadLetters } from './dead-letters.ts';
import { addEnums } from './enums.ts';
import { addErrorTypes } from './error-types.ts';
import { addExecutionCommands } from './execution-commands.ts';
import { addExecutionMigration } from './execution-migration.ts';
import { addExecutionTimelineType } from './execution-timeline.ts';
import { addStepTypes } from './execution-types.ts';
import { addExecutionQueries, addExecutionTypes } from './executions.ts';
import { addProjections } from './projections.ts';
import { addWhyType } from './routing.ts';
import { addSharedTypes } from './shared-types.ts';
import { addStats } from './stats.ts';
import { addSubscriptions } from './subscriptions.ts';
import { addTaskCommands } from './task-commands.ts';
import { addTaskQueries, addTaskTypes } from './tasks.ts';
import { addTimelineType } from './timeline.ts';
import { addWorkflowCommands } from './workflow-commands.ts';
import { addWorkflowQueries, addWorkflowTypes } from './workflows.ts';

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

  addSubscriptions(builder, TimelineEntry, tasks, agents, { types: executions, ExecutionEntry });
  return builder.toSchema();
};
