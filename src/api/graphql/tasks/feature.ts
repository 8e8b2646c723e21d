import type { AgentTypes } from '../agents/types.ts';
import type { Kit } from '../kit/kit.ts';
import { addAttemptType } from './attempts.ts';
import { addBulkSubmission } from './bulk.ts';
import { addTaskCommands } from './commands.ts';
import { addDeadLetters } from './dead-letters.ts';
import { addTaskInputs } from './inputs.ts';
import { addTaskOutcome } from './outcome.ts';
import { addTaskQueries } from './queries.ts';
import { addStats } from './stats.ts';
import { addTaskSubscriptions } from './subscriptions.ts';
import { addTimelineType } from './timeline.ts';
import { addTaskTypes, type TaskTypes } from './types.ts';
import { addWhyType } from './why.ts';

export const addTasks = ({ builder, enums, errors, shared, addConnection }: Kit, agents: AgentTypes): TaskTypes => {
  const TaskAttempt = addAttemptType(builder, shared, agents);
  const TimelineEntry = addTimelineType(builder);
  const TaskWhy = addWhyType(builder, { shared, enums }, TaskAttempt);
  const tasks = addTaskTypes(builder, { shared, enums, agents, TaskAttempt, TimelineEntry, TaskWhy });
  addTaskQueries(builder, tasks, addConnection);
  addDeadLetters(builder, shared, tasks, addConnection);
  addStats(builder, tasks);

  const inputs = addTaskInputs(builder, enums);
  const outcome = addTaskOutcome(builder, shared, tasks);
  addTaskCommands(builder, inputs, outcome);
  addBulkSubmission(builder, outcome, inputs, errors);
  addTaskSubscriptions(builder, tasks, TimelineEntry);
  return tasks;
};
