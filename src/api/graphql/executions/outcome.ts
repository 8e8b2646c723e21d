import type { GraphQLResolveInfo } from 'graphql';
import type { Accepted, Caller } from '../../../commands/context.ts';
import type { ExecutionRejection } from '../../../domain/execution/decision.ts';
import type { Result } from '../../../domain/result.ts';
import type { ExecutionOutcome as HowItEnded } from '../../../processes/outcomes/execution-outcomes.ts';
import type { WithOutcome } from '../../../processes/outcomes/waits.ts';
import { EXECUTION_REASONS, type OwnExecutionRejection } from '../../../wording/rejections.ts';
import type { Builder, SchemaTypes } from '../kit/builder.ts';
import { callerFor, KEY } from '../kit/command-field.ts';
import type { ApiContext } from '../kit/context.ts';
import type { Enums } from '../kit/enums.ts';
import { addOutcome, type Outcome } from '../kit/outcome.ts';
import type { SharedTypes } from '../kit/shared-types.ts';
import { asExecutionId, loadExecution } from './load.ts';
import type { ExecutionTypes } from './types.ts';

type Answer = Outcome<WithOutcome<HowItEnded>, OwnExecutionRejection>;

type Command<Body> = (
  commands: ApiContext['commands'],
  caller: Caller,
  executionId: string,
  body: Body,
) => Promise<Result<Accepted, ExecutionRejection>>;

type Subject = { readonly executionId: string; readonly idempotencyKey?: string | null | undefined };

type OutcomeParts = { readonly enums: Enums; readonly shared: SharedTypes; readonly types: ExecutionTypes };

const addEndedExecution = (builder: Builder, { enums, shared }: Omit<OutcomeParts, 'types'>) =>
  builder.objectRef<HowItEnded>('ExecutionOutcome').implement({
    description: 'The state of an execution in which nothing more happens by itself.',
    fields: (t) => ({
      status: t.expose('status', { type: enums.ExecutionStatus }),
      output: t.field({ type: 'JSON', nullable: true, resolve: ({ output }) => output }),
      error: t.field({ type: shared.AttemptError, nullable: true, resolve: ({ error }) => error }),
    }),
  });

/** What commands of an execution answer, and how they are run. */
export const addExecutionOutcome = (builder: Builder, { enums, shared, types }: OutcomeParts) => {
  const { Execution } = types;
  const EndedExecution = addEndedExecution(builder, { enums, shared });
  const { payload, outcomeOf } = addOutcome<WithOutcome<HowItEnded>, OwnExecutionRejection>(builder, {
    subject: 'Execution',
    recorded: 'always',
    accepted: (t) => ({
      executionId: t.id({ resolve: ({ id }) => id }),
      execution: t.field({
        type: Execution,
        nullable: true,
        description: 'The execution with the effect of this command; waits for it.',
        resolve: ({ id, position }, _, context) => loadExecution(context, id, position),
      }),
      outcome: t.field({
        type: EndedExecution,
        nullable: true,
        description: 'Set when `waitMs` was passed and the execution ended in time; otherwise query it later.',
        resolve: ({ outcome }) => outcome,
      }),
    }),
    reasons: EXECUTION_REASONS,
    facts: {
      status: {
        from: 'status',
        type: 'String',
        description: 'Status of the execution, step or compensation that prevented the command.',
      },
      step: { from: 'step', type: 'String' },
      unit: { from: 'unit', type: 'String' },
      names: { from: 'names', type: ['String'], description: 'Events that steps of the workflow wait for.' },
      suggestion: { from: 'suggestion', type: 'String', description: 'The event that was probably meant.' },
      options: { from: 'options', type: ['String'], description: "The options of the step's decision." },
    },
  });
  /** Runs a command of the execution that the arguments name. */
  const run = async <Body>(
    command: Command<Body>,
    subject: Subject,
    body: Body,
    context: ApiContext,
    info: GraphQLResolveInfo,
  ): Promise<Answer> =>
    outcomeOf(
      await command(context.commands, callerFor(context, subject, info), asExecutionId(subject.executionId), body),
    );
  return { payload, outcomeOf, run };
};

export type ExecutionOutcomes = ReturnType<typeof addExecutionOutcome>;

type MutationFields = PothosSchemaTypes.MutationFieldBuilder<SchemaTypes, SchemaTypes['Root']>;

/** Arguments of every command of an execution that exists. */
export const subjectArguments = (t: MutationFields) => ({
  executionId: t.arg.id({ required: true }),
  idempotencyKey: t.arg.string(KEY),
});
