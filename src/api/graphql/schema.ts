import type { GraphQLSchema } from 'graphql';
import { addAgentCommands } from './agent-commands.ts';
import { addAgentQueries, addAgentTypes } from './agents.ts';
import { addAttemptType } from './attempts.ts';
import { addAuditTrail } from './audit.ts';
import { createBuilder } from './builder.ts';
import { addConnections } from './connection.ts';
import { addDeadLetters } from './dead-letters.ts';
import { addEnums } from './enums.ts';
import { addErrorTypes } from './error-types.ts';
import { addProjections } from './projections.ts';
import { addWhyType } from './routing.ts';
import { addSharedTypes } from './shared-types.ts';
import { addStats } from './stats.ts';
import { addSubscriptions } from './subscriptions.ts';
import { addTaskCommands } from './task-commands.ts';
import { addTaskQueries, addTaskTypes } from './tasks.ts';
import { addTimelineType } from './timeline.ts';

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

  addTaskQueries(builder, tasks, addConnection);
  addAgentQueries(builder, enums, agents, addConnection);
  addDeadLetters(builder, shared, tasks, addConnection);
  addStats(builder, tasks);
  addAuditTrail(builder, addConnection);
  addProjections(builder);

  addTaskCommands(builder, enums, tasks, errors);
  addAgentCommands(builder, enums, agents);

  addSubscriptions(builder, TimelineEntry, tasks, agents);
  return builder.toSchema();
};
