import type { Accepted, Caller, Commands } from '../../../commands/context.ts';
import { publishWorkflow } from '../../../commands/workflow/publish-workflow.ts';
import { archiveWorkflow, deprecateWorkflow } from '../../../commands/workflow/retire-workflow.ts';
import { ok, type Result } from '../../../domain/result.ts';
import type { DefinitionIssue } from '../../../domain/workflow/compile.ts';
import type { WorkflowRejection } from '../../../domain/workflow/decider.ts';
import type { Position } from '../../../eventstore/event-store.ts';
import { WORKFLOW_REASONS, type WorkflowRefusal } from '../../../wording/rejections.ts';
import type { Builder } from '../kit/builder.ts';
import { atPointer, callerFor, KEY, withoutNulls } from '../kit/command-field.ts';
import type { ErrorTypes } from '../kit/error-types.ts';
import { addOutcome } from '../kit/outcome.ts';
import type { WorkflowTypes } from './types.ts';

type AcceptedVersion = {
  readonly name: string;
  readonly version: string;
  readonly position: Position;
  readonly repeated: boolean;
  readonly warnings: readonly DefinitionIssue[];
};

const addWorkflowOutcome = (builder: Builder, { Workflow, loadWorkflow }: WorkflowTypes, { InputIssue }: ErrorTypes) =>
  addOutcome<AcceptedVersion, WorkflowRefusal>(builder, {
    subject: 'Workflow',
    recorded: 'if_changed',
    accepted: (t) => ({
      name: t.string({ resolve: ({ name }) => name }),
      version: t.string({ resolve: ({ version }) => version }),
      warnings: t.field({
        type: [InputIssue],
        description: 'What the definition may contain, but probably does not intend.',
        resolve: ({ warnings }) => warnings,
      }),
      workflow: t.field({
        type: Workflow,
        nullable: true,
        description: 'The version with the effect of this command; waits for it.',
        resolve: ({ name, version, position }, _, context) => loadWorkflow(context, name, version, position),
      }),
    }),
    reasons: WORKFLOW_REASONS,
    facts: {
      version: { from: 'version', type: 'String', always: true },
      digest: { from: 'digest', type: 'String', description: 'Digest of what was published under this version.' },
    },
  });

type WorkflowOutcome = ReturnType<typeof addWorkflowOutcome>;

/** Commands that take a version out of use, to a degree. */
const RETIREMENTS = {
  deprecateWorkflow: {
    payload: 'DeprecateWorkflowPayload',
    description: 'New executions use this version only when they name it; running ones continue.',
    command: deprecateWorkflow,
  },
  archiveWorkflow: {
    payload: 'ArchiveWorkflowPayload',
    description: 'No new executions of this version; running ones continue.',
    command: archiveWorkflow,
  },
} as const;

type Retired = { readonly version: string; readonly reason?: string | undefined };

const retire = async (
  command: typeof deprecateWorkflow,
  commands: Commands,
  caller: Caller,
  name: string,
  retired: Retired,
): Promise<Result<AcceptedVersion, WorkflowRejection>> => {
  const result: Result<Accepted, WorkflowRejection> = await command(commands, caller, name, retired);
  if (!result.ok) return result;
  const { position, repeated } = result.value;
  return ok({ name, version: retired.version, position, repeated, warnings: [] });
};

const addRetirement = (
  builder: Builder,
  mutation: keyof typeof RETIREMENTS,
  { payload, outcomeOf }: WorkflowOutcome,
): void => {
  const { payload: type, description, command } = RETIREMENTS[mutation];
  builder.mutationField(mutation, (t) =>
    t.field({
      type: payload(type),
      description,
      args: {
        name: t.arg.string({ required: true }),
        version: t.arg.string({ required: true }),
        reason: t.arg.string(),
        idempotencyKey: t.arg.string(KEY),
      },
      resolve: async (_, { name, version, reason, ...args }, context, info) => {
        const caller = callerFor(context, args, info);
        return outcomeOf(await retire(command, context.commands, caller, name, withoutNulls({ version, reason })));
      },
    }),
  );
};

export const addWorkflowCommands = (builder: Builder, types: WorkflowTypes, errors: ErrorTypes): void => {
  const outcome = addWorkflowOutcome(builder, types, errors);
  builder.mutationField('publishWorkflow', (t) =>
    t.field({
      type: outcome.payload('PublishWorkflowPayload'),
      description:
        'Publishes a version of a workflow. Publishing the same content again changes nothing; other content under the same version is refused.',
      args: {
        definition: t.arg({
          type: 'JSON',
          required: true,
          description: 'As described by `workflowDefinitionSchema`, at most 256 KiB.',
        }),
        idempotencyKey: t.arg.string(KEY),
      },
      resolve: async (_, { definition, ...args }, context, info) =>
        outcome.outcomeOf(
          await atPointer('/definition', () =>
            publishWorkflow(context.commands, callerFor(context, args, info), definition),
          ),
        ),
    }),
  );
  addRetirement(builder, 'deprecateWorkflow', outcome);
  addRetirement(builder, 'archiveWorkflow', outcome);
};
