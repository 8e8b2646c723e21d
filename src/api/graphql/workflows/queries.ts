import { z } from 'zod';
import { validateWorkflow } from '../../../commands/workflow/publish-workflow.ts';
import type { Json } from '../../../domain/json.ts';
import { WorkflowDefinition } from '../../../domain/workflow/definition.ts';
import {
  countWorkflowVersions,
  listWorkflowVersions,
  type WorkflowFilter,
} from '../../../projections/workflows/queries.ts';
import type { Builder } from '../kit/builder.ts';
import { atPointer } from '../kit/command-field.ts';
import { type AddConnection, AT_LEAST } from '../kit/connection.ts';
import { addList } from '../kit/list.ts';
import type { WorkflowTypes } from './types.ts';

let definitionSchema: Json | undefined;

/** The shape of a definition, for editors. Only publishing checks the rest, such as a graph without cycles. */
const schemaOfDefinition = (): Json => {
  definitionSchema ??= z.toJSONSchema(WorkflowDefinition, { io: 'input', unrepresentable: 'any' }) as Json;
  return definitionSchema;
};

const addWorkflowList = (
  builder: Builder,
  { Workflow, WorkflowStatus }: WorkflowTypes,
  addConnection: AddConnection,
): void => {
  const WorkflowFilterInput = builder.inputType('WorkflowFilter', {
    fields: (t) => ({
      name: t.string(),
      statuses: t.field({ type: [WorkflowStatus] }),
      pattern: t.string(),
      tags: t.stringList({ description: 'All of them.' }),
      text: t.string({ description: 'Part of the name, the description or a tag; case does not matter.' }),
    }),
  });
  addList(builder, addConnection, {
    name: 'workflows',
    description: 'Newest publication first; each version is a node.',
    of: 'Workflow',
    node: Workflow,
    filter: WorkflowFilterInput,
    filterOf: (input) => input satisfies WorkflowFilter,
    list: listWorkflowVersions,
    count: countWorkflowVersions,
  });
};

export const addWorkflowQueries = (builder: Builder, types: WorkflowTypes, addConnection: AddConnection): void => {
  const { Workflow, WorkflowPlan, loadWorkflow } = types;
  addWorkflowList(builder, types, addConnection);
  builder.queryFields((t) => ({
    workflow: t.field({
      type: Workflow,
      nullable: true,
      args: {
        name: t.arg.string({ required: true }),
        version: t.arg.string({ description: 'The version that a new execution would use, when absent.' }),
        atLeast: t.arg(AT_LEAST),
      },
      resolve: (_, { name, version, atLeast }, context) => loadWorkflow(context, name, version, atLeast),
    }),
    workflowDefinitionSchema: t.field({
      type: 'JSON',
      description: 'JSON Schema of a definition.',
      resolve: schemaOfDefinition,
    }),
    planWorkflow: t.field({
      type: WorkflowPlan,
      description:
        'Checks and plans a definition without publishing it; BAD_USER_INPUT lists everything that is wrong.',
      args: { definition: t.arg({ type: 'JSON', required: true }) },
      resolve: (_, { definition }) => atPointer('/definition', async () => validateWorkflow(definition).workflow),
    }),
  }));
};
