import { ForkExecutionInput } from '../../domain/execution/commands.ts';
import { executionDecider } from '../../domain/execution/decider.ts';
import type { ExecutionRejection } from '../../domain/execution/decision.ts';
import type { ExecutionStreamEvent } from '../../domain/execution/events.ts';
import { reusedSteps } from '../../domain/execution/fork.ts';
import type { Running } from '../../domain/execution/state.ts';
import { ExecutionId, executionIdOf, executionStream } from '../../domain/ids.ts';
import { byteLengthOf } from '../../domain/json.ts';
import type { Result } from '../../domain/result.ts';
import { workflowOf } from '../../domain/workflow/compile.ts';
import type { WorkflowVersion } from '../../domain/workflow/decider.ts';
import { decodeEvent } from '../../eventstore/codec.ts';
import type { EventStore } from '../../eventstore/event-store.ts';
import { notFound } from '../../platform/errors.ts';
import { type Accepted, badInput, type Caller, type Commands, contextOf, parseInput } from '../context.ts';
import { EXECUTION, unlessRecorded } from '../run.ts';
import { workflowVersion } from '../workflow/workflow-version.ts';
import { begin } from './start-execution.ts';

/** The first event of the fork holds the outputs taken over, beside the definition; the store takes 1 MiB. */
const MAX_REUSED_BYTES = 524_288;

/** The execution as it was after the event with this revision. */
export const executionAt = async (
  store: Pick<EventStore, 'readStream'>,
  tenant: string,
  executionId: string,
  revision: number | undefined,
): Promise<{ readonly state: Running; readonly revision: number }> => {
  if (!ExecutionId.safeParse(executionId).success) throw notFound('execution', JSON.stringify(executionId));
  const stored = await store.readStream(executionStream(tenant, executionId), {
    ...(revision === undefined ? {} : { limit: revision + 1 }),
  });
  const state = stored.reduce(
    (execution, event) => executionDecider.evolve(execution, decodeEvent(event) as ExecutionStreamEvent),
    executionDecider.initialState(),
  );
  if (state.status === 'none') throw notFound('execution', executionId);
  const last = stored.length - 1;
  if (revision !== undefined && last < revision)
    throw badInput([
      {
        pointer: '/revision',
        code: 'OUT_OF_RANGE',
        message: `the execution's last revision is ${last}, got ${revision}`,
      },
    ]);
  return { state, revision: last };
};

const sameVersion = ({ workflow, compiled }: Running): WorkflowVersion => ({
  version: workflow.version,
  digest: workflow.digest,
  definition: compiled.definition,
  status: 'published',
});

const checkRerun = (rerun: readonly string[], { definition }: WorkflowVersion): void => {
  const known = new Set(definition.tasks.map(({ id }) => id));
  const unknown = rerun.flatMap((id, index) => (known.has(id) ? [] : [{ id, index }]));
  if (unknown.length > 0)
    throw badInput(
      unknown.map(({ id, index }) => ({
        pointer: `/rerun/${index}`,
        code: 'UNKNOWN_TASK',
        message: `${definition.name}@${definition.version} has no task ${id}`,
      })),
    );
};

type Fork = {
  readonly executionId: string;
  readonly forkId: string;
  readonly body: ForkExecutionInput;
  readonly context: ReturnType<typeof contextOf>;
};

const fork = async (
  commands: Commands,
  store: Pick<EventStore, 'readStream'>,
  caller: Caller,
  { executionId, forkId, body, context }: Fork,
): Promise<Result<Accepted, ExecutionRejection>> => {
  const { state, revision } = await executionAt(store, caller.tenant, executionId, body.revision);
  const chosen =
    body.version === undefined
      ? sameVersion(state)
      : await workflowVersion(commands, caller.tenant, state.workflow.name, body.version);
  checkRerun(body.rerun, chosen);
  const known = new Set(chosen.definition.tasks.map(({ id }) => id));
  const inherited = Object.entries(state.inputs).filter(([id]) => known.has(id));
  const inputs = { ...Object.fromEntries(inherited), ...body.inputs };
  const target = workflowOf(chosen.digest, chosen.definition);
  const reused = reusedSteps(state, target, { rerun: body.rerun, inputs: body.inputs });
  const bytes = byteLengthOf(reused);
  if (bytes > MAX_REUSED_BYTES)
    throw badInput([
      {
        pointer: '/revision',
        code: 'TOO_LARGE',
        message: `the outputs to be taken over have ${bytes} bytes, at most ${MAX_REUSED_BYTES}: let more steps run again`,
      },
    ]);
  return begin(
    commands,
    caller,
    chosen,
    {
      executionId: forkId,
      input: body.input === undefined ? state.input : body.input,
      ...(Object.keys(inputs).length === 0 ? {} : { inputs }),
      tags: state.tags,
      forkedFrom: { executionId, revision, reused },
    },
    context,
  );
};

/**
 * Starts a new execution from any past moment of another: what had ended well by then is taken over, the rest runs again, with other
 * inputs or another version if so asked. The first execution is not changed.
 *
 * Errors: `AppError` `NOT_FOUND`; `BAD_USER_INPUT`.
 */
export const forkExecution = async (
  commands: Commands,
  store: Pick<EventStore, 'readStream'>,
  caller: Caller,
  executionId: string,
  input: unknown = {},
): Promise<Result<Accepted, ExecutionRejection>> => {
  const body = parseInput(ForkExecutionInput, input);
  const context = contextOf(commands, caller, `ForkExecution/${executionId}`, body);
  const forkId = executionIdOf(context.commandId);
  return unlessRecorded(commands, caller, EXECUTION, { id: forkId, context }, () =>
    fork(commands, store, caller, { executionId, forkId, body, context }),
  );
};
