import type { Kit } from '../kit/kit.ts';
import { addWorkflowCommands } from './commands.ts';
import { addWorkflowQueries } from './queries.ts';
import { addWorkflowTypes, type WorkflowTypes } from './types.ts';

export const addWorkflows = ({ builder, errors, addConnection }: Kit): WorkflowTypes => {
  const workflows = addWorkflowTypes(builder, errors);
  addWorkflowQueries(builder, workflows, addConnection);
  addWorkflowCommands(builder, workflows, errors);
  return workflows;
};
