import { z } from 'zod';
import { migrationProblems } from '../../domain/execution/migration.ts';
import { ExecutionId, executionStream } from '../../domain/ids.ts';
import { recordOf } from '../../domain/json.ts';
import { workflowOf } from '../../domain/workflow/compile.ts';
import type { WorkflowVersion } from '../../domain/workflow/decider.ts';
import { MAX_TASKS, StepName } from '../../domain/workflow/definition.ts';
import { AppError } from '../../platform/errors.ts';
import { type Caller, type Commands, parseInput } from '../context.ts';
import { runOnExecution } from '../run.ts';
import { workflowVersion } from '../workflow/workflow-version.ts';

/** Executions judged or moved by one call. */
const MAX_EXECUTIONS = 10_000;
const AT_ONCE = 16;

export const MigrateExecutionsInput = z.strictObject({
  executionIds: z.array(ExecutionId).max(MAX_EXECUTIONS),
  /** Version that they are to go on under. */
  version: z.string().min(1).max(100),
  /** Task of the present version to task of the new one, where the id differs; null for a task that has not started and is dropped. */
  mapping: recordOf(StepName, StepName.nullable(), { max: MAX_TASKS, what: 'tasks' }).default({}),
  dryRun: z.boolean().default(false),
});

/** What becomes, or would become, of one execution. */
export type MigrationVerdict = {
  readonly executionId: string;
  readonly verdict: 'moves' | 'unchanged' | 'cannot_move' | 'not_found';
  /** Why not; empty when it moves. */
  readonly reasons: readonly string[];
};

type Body = z.output<typeof MigrateExecutionsInput>;

const judge = async (
  commands: Commands,
  caller: Caller,
  executionId: string,
  target: WorkflowVersion,
  { mapping }: Body,
): Promise<MigrationVerdict> => {
  const state = await commands.executions.load(executionStream(caller.tenant, executionId), { fresh: true });
  if (state.status === 'none') return { executionId, verdict: 'not_found', reasons: ['there is no such execution'] };
  if (state.workflow.name !== target.definition.name)
    return { executionId, verdict: 'cannot_move', reasons: [`it is an execution of ${state.workflow.name}`] };
  if (state.workflow.digest === target.digest)
    return { executionId, verdict: 'unchanged', reasons: [`it is under ${target.version} already`] };
  const reasons = migrationProblems(state, workflowOf(target.digest, target.definition), mapping);
  return { executionId, verdict: reasons.length === 0 ? 'moves' : 'cannot_move', reasons };
};

const move = async (
  commands: Commands,
  caller: Caller,
  executionId: string,
  target: WorkflowVersion,
  body: Body,
): Promise<MigrationVerdict> => {
  const judged = await judge(commands, caller, executionId, target, body);
  if (judged.verdict !== 'moves' || body.dryRun) return judged;
  const { definition, version, digest } = target;
  const key = caller.idempotencyKey === undefined ? {} : { idempotencyKey: `${caller.idempotencyKey}/${executionId}` };
  const result = await runOnExecution(
    commands,
    { ...caller, ...key },
    executionId,
    { version, mapping: body.mapping },
    (now) => ({
      type: 'MigrateExecution',
      workflow: { name: definition.name, version, digest },
      definition,
      mapping: body.mapping,
      now,
    }),
  );
  if (result.ok) return judged;
  const { rejection } = result;
  // It went on between judgement and move.
  const reasons = rejection.reason === 'ExecutionNotMigratable' ? rejection.problems : [rejection.reason];
  return { executionId, verdict: 'cannot_move', reasons };
};

/**
 * Moves running executions of one workflow to another version, or only reports what would happen to each.
 *
 * Errors: `AppError` `NOT_FOUND`, `BAD_USER_INPUT` for the workflow or the version.
 */
export const migrateExecutions = async (
  commands: Commands,
  caller: Caller,
  workflow: string,
  input: unknown,
): Promise<MigrationVerdict[]> => {
  const body = parseInput(MigrateExecutionsInput, input);
  const target = await workflowVersion(commands, caller.tenant, workflow, body.version);
  const verdicts: MigrationVerdict[] = [];
  for (let from = 0; from < body.executionIds.length; from += AT_ONCE)
    verdicts.push(
      ...(await Promise.all(
        body.executionIds.slice(from, from + AT_ONCE).map((id) =>
          move(commands, caller, id, target, body).catch((error: unknown): MigrationVerdict => {
            if (!(error instanceof AppError)) throw error;
            return { executionId: id, verdict: 'cannot_move', reasons: [error.message] };
          }),
        ),
      )),
    );
  return verdicts;
};
