import type { z } from 'zod';
import {
  type MigrateExecutionsInput,
  type MigrationVerdict,
  migrateExecutions,
} from '../../../commands/execution/migrate-executions.ts';
import { liveExecutionIds } from '../../../projections/executions/queries.ts';
import type { Builder } from '../kit/builder.ts';
import { atPointer, callerFor, KEY, withoutNulls } from '../kit/command-field.ts';
import { AT_LEAST } from '../kit/connection.ts';
import type { ApiContext } from '../kit/context.ts';
import { enumValues } from '../kit/enums.ts';

const VERDICTS = [
  'moves',
  'unchanged',
  'cannot_move',
  'not_found',
] as const satisfies readonly MigrationVerdict['verdict'][];
/** The most executions that one call of the command takes. */
const MAX_EXECUTIONS = 10_000;

type Moved = { readonly dryRun: boolean; readonly verdicts: readonly MigrationVerdict[] };

const addInput = (builder: Builder) =>
  builder.inputType('MigrateExecutionsInput', {
    fields: (t) => ({
      version: t.string({ required: true, description: 'Version to move them to.' }),
      fromVersion: t.string({ description: 'Only executions of this version; used when `executionIds` is absent.' }),
      executionIds: t.idList({
        description: `When absent: every execution of the workflow that runs or is paused, at most ${MAX_EXECUTIONS}.`,
      }),
      mapping: t.field({
        type: 'JSON',
        description:
          'Maps tasks of the current version to tasks of the new one where the id differs; null drops a task that has not started.',
      }),
      dryRun: t.boolean({ description: 'Only report what would happen to each execution.' }),
    }),
  });

type Input = ReturnType<typeof addInput>['$inferInput'];

/** To GraphQL the mapping is any JSON; the command's schema checks it. */
const bodyOf = ({ fromVersion: _, ...input }: Input, executionIds: readonly string[]) => {
  const { mapping, ...body } = withoutNulls(input);
  return {
    ...body,
    executionIds: [...executionIds],
    ...(mapping == null ? {} : { mapping: mapping as never }),
  } satisfies z.input<typeof MigrateExecutionsInput>;
};

const idsFor = async ({ reads }: ApiContext, workflow: string, { executionIds, fromVersion }: Input) =>
  executionIds?.map((id) => id.toLowerCase()) ??
  reads.of(liveExecutionIds(reads.pool, reads.tenant, { workflow, version: fromVersion ?? undefined }, MAX_EXECUTIONS));

export const addExecutionMigration = (builder: Builder): void => {
  const Verdict = builder.enumType('MigrationVerdictKind', {
    description: 'MOVES: it was moved, or in a dry run would be.',
    values: enumValues(VERDICTS),
  });
  const MigrationVerdictType = builder.objectRef<MigrationVerdict>('MigrationVerdict').implement({
    fields: (t) => ({
      executionId: t.exposeID('executionId'),
      verdict: t.expose('verdict', { type: Verdict }),
      reasons: t.stringList({
        description: 'Why not; empty when it moves.',
        resolve: ({ reasons }) => [...reasons],
      }),
    }),
  });
  const countOf = ({ verdicts }: Moved, wanted: MigrationVerdict['verdict']): number =>
    verdicts.filter(({ verdict }) => verdict === wanted).length;
  const Payload = builder.objectRef<Moved>('MigrateExecutionsPayload').implement({
    fields: (t) => ({
      dryRun: t.exposeBoolean('dryRun'),
      moves: t.int({ resolve: (moved) => countOf(moved, 'moves') }),
      cannotMove: t.int({ resolve: (moved) => countOf(moved, 'cannot_move') }),
      verdicts: t.field({ type: [MigrationVerdictType], resolve: ({ verdicts }) => verdicts }),
    }),
  });
  const MigrateExecutionsInput = addInput(builder);
  builder.mutationFields((t) => ({
    migrateExecutions: t.field({
      type: Payload,
      description:
        'Moves running executions of a workflow to another version. Each moves entirely or not at all, with the reasons why not.',
      args: {
        workflow: t.arg.string({ required: true }),
        input: t.arg({ type: MigrateExecutionsInput, required: true }),
        atLeast: t.arg(AT_LEAST),
        idempotencyKey: t.arg.string(KEY),
      },
      resolve: async (_, { workflow, input, atLeast, idempotencyKey }, context, info) => {
        context.reads.atLeast(atLeast);
        const ids = await idsFor(context, workflow, input);
        const caller = callerFor(context, { idempotencyKey }, info);
        const verdicts = await atPointer('/input', () =>
          migrateExecutions(context.commands, caller, workflow, bodyOf(input, ids)),
        );
        return { dryRun: input.dryRun ?? false, verdicts };
      },
    }),
  }));
};
