import type { Kit } from '../kit/kit.ts';
import type { TaskTypes } from '../tasks/types.ts';
import type { WorkflowTypes } from '../workflows/types.ts';
import { addExecutionCommands } from './commands.ts';
import { addCompensationQueries, addCompensationTypes } from './compensation.ts';
import { addExecutionMigration } from './migration.ts';
import { addExecutionQueries } from './queries.ts';
import { addStepTypes } from './steps.ts';
import { addExecutionSubscriptions } from './subscriptions.ts';
import { addExecutionTimelineType } from './timeline.ts';
import { addExecutionTypes, type ExecutionTypes } from './types.ts';
import { addNotRunningType } from './why-not-running.ts';

export const addExecutions = (
  { builder, enums, shared, addConnection }: Kit,
  workflows: WorkflowTypes,
  tasks: TaskTypes,
): ExecutionTypes => {
  const steps = addStepTypes(builder, shared, workflows, tasks);
  const compensation = addCompensationTypes(builder, enums, shared, tasks);
  const ExecutionEntry = addExecutionTimelineType(builder);
  const NotRunning = addNotRunningType(builder, enums);
  const parts = { shared, enums, workflows, steps, compensation, ExecutionEntry, NotRunning };
  const executions = addExecutionTypes(builder, parts);
  addExecutionQueries(builder, enums, executions, addConnection);
  addCompensationQueries(builder, compensation, addConnection);
  addExecutionCommands(builder, enums, shared, executions);
  addExecutionMigration(builder);
  addExecutionSubscriptions(builder, executions, ExecutionEntry);
  return executions;
};
