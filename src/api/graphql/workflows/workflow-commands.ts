import type { Accepted } from '../../../commands/context.ts';
import { type PublishedWorkflow, publishWorkflow } from '../../../commands/workflow/publish-workflow.ts';
import { archiveWorkflow, deprecateWorkflow } from '../../../commands/workflow/retire-workflow.ts';
import type { Result } from '../../../domain/result.ts';
import type { DefinitionIssue } from '../../../domain/workflow/compile.ts';
import type { WorkflowRejection } from '../../../domain/workflow/decider.ts';
import type { Position } from '../../../eventstore/event-store.ts';
import { messageIn, reasonsIn, WORKFLOW_REASONS, type WorkflowRefusal } from '../../../wording/rejections.ts';
import type { Builder } from '../kit/builder.ts';
import { callerFor, under, withoutNulls } from '../kit/command-field.ts';
import type { ErrorTypes } from '../kit/error-types.ts';
import type { WorkflowTypes } from './workflows.ts';

type WorkflowAccepted = {
  readonly kind: 'accepted';
  readonly name: string;
  readonly version: string;
  readonly position: Position;
  readonly repeated: boolean;
  readonly warnings: readonly DefinitionIssue[];
};
type WorkflowRejected = { readonly kind: 'rejected'; readonly rejection: WorkflowRefusal };
type Payload = WorkflowAccepted | WorkflowRejected;

const refused = (rejection: WorkflowRejection): WorkflowRejected => {
  if (rejection.reason === 'WorkflowNotFound') throw new Error('bug: a workflow was refused that is not there');
  return { kind: 'rejected', rejection };
};

const published = (result: Result<PublishedWorkflow, WorkflowRejection>): Payload =>
  result.ok ? { kind: 'accepted', ...result.value } : refused(result.rejection);

const retired = (result: Result<Accepted, WorkflowRejection>, version: string): Payload =>
  result.ok
    ? { kind: 'accepted', ...result.value, name: result.value.id, version, warnings: [] }
    : refused(result.rejection);

const addPayloads = (builder: Builder, { Workflow, loadWorkflow }: WorkflowTypes, { InputIssue }: ErrorTypes) => {
  const WorkflowRejectionReason = builder.enumType('WorkflowRejectionReason', {
    values: reasonsIn(WORKFLOW_REASONS),
  });
  const WorkflowAccepted = builder.objectRef<WorkflowAccepted>('WorkflowAccepted').implement({
    description: 'The command was recorded, or there was nothing to change.',
    fields: (t) => ({
      name: t.exposeString('name'),
      version: t.exposeString('version'),
      position: t.expose('position', {
        type: 'Position',
        description: 'Pass it as `atLeast` to a query to see the effect of this command.',
      }),
      repeated: t.exposeBoolean('repeated', { description: 'Nothing was recorded now: it had been done before.' }),
      warnings: t.field({
        type: [InputIssue],
        description: 'What the definition is allowed to say, and probably does not mean.',
        resolve: ({ warnings }) => warnings,
      }),
      workflow: t.field({
        type: Workflow,
        nullable: true,
        description: 'The version with the effect of this command; waits for it.',
        resolve: ({ name, version, position }, _, context) => loadWorkflow(context, name, version, position),
      }),
    }),
  });
  const WorkflowRejected = builder.objectRef<WorkflowRejected>('WorkflowRejected').implement({
    description: 'The command was refused; nothing was recorded.',
    fields: (t) => ({
      reason: t.field({ type: WorkflowRejectionReason, resolve: ({ rejection }) => rejection.reason }),
      message: t.string({ resolve: ({ rejection }) => messageIn(WORKFLOW_REASONS, rejection) }),
      version: t.string({ resolve: ({ rejection }) => rejection.version }),
      digest: t.string({
        nullable: true,
        description: 'Of what was published under this version.',
        resolve: ({ rejection }) => ('digest' in rejection ? rejection.digest : null),
      }),
    }),
  });
  return (name: string) =>
    builder.unionType(name, {
      types: [WorkflowAccepted, WorkflowRejected],
      resolveType: (value) => ((value as Payload).kind === 'accepted' ? WorkflowAccepted : WorkflowRejected),
    });
};

export const addWorkflowCommands = (builder: Builder, types: WorkflowTypes, errors: ErrorTypes): void => {
  const payload = addPayloads(builder, types, errors);
  builder.mutationFields((t) => {
    const key = t.arg.string({ description: 'The same key and input give the same outcome.' });
    const retireArgs = {
      name: t.arg.string({ required: true }),
      version: t.arg.string({ required: true }),
      reason: t.arg.string(),
      idempotencyKey: key,
    };
    return {
      publishWorkflow: t.field({
        type: payload('PublishWorkflowPayload'),
        description:
          'Publishes a version of a workflow. The same content again changes nothing; another content under the same version is refused.',
        args: {
          definition: t.arg({
            type: 'JSON',
            required: true,
            description: 'In the form of `workflowDefinitionSchema`, at most 256 KiB.',
          }),
          idempotencyKey: key,
        },
        resolve: async (_, { definition, idempotencyKey }, context, info) =>
          published(
            await under('/definition', () =>
              publishWorkflow(context.commands, callerFor(context, idempotencyKey, info), definition),
            ),
          ),
      }),
      deprecateWorkflow: t.field({
        type: payload('DeprecateWorkflowPayload'),
        description: 'New executions take this version only where they name it; those that run go on.',
        args: retireArgs,
        resolve: async (_, { name, version, reason, idempotencyKey }, context, info) =>
          retired(
            await deprecateWorkflow(
              context.commands,
              callerFor(context, idempotencyKey, info),
              name,
              withoutNulls({ version, reason }),
            ),
            version,
          ),
      }),
      archiveWorkflow: t.field({
        type: payload('ArchiveWorkflowPayload'),
        description: 'No new executions of this version; those that run go on.',
        args: retireArgs,
        resolve: async (_, { name, version, reason, idempotencyKey }, context, info) =>
          retired(
            await archiveWorkflow(
              context.commands,
              callerFor(context, idempotencyKey, info),
              name,
              withoutNulls({ version, reason }),
            ),
            version,
          ),
      }),
    };
  });
};
