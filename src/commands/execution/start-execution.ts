import { type StartExecution, StartExecutionInput } from '../../domain/execution/commands.ts';
import type { ExecutionRejection } from '../../domain/execution/decision.ts';
import { DEFAULT_POOL, executionIdOf, executionStream } from '../../domain/ids.ts';
import { byteLengthOf, MAX_PAYLOAD_BYTES } from '../../domain/json.ts';
import { type Result, rejected } from '../../domain/result.ts';
import type { WorkflowVersion } from '../../domain/workflow/decider.ts';
import { mismatchesOf } from '../../domain/workflow/input/check-input.ts';
import type { SchemaObject } from '../../domain/workflow/input/keywords.ts';
import { type Accepted, badInput, type Caller, type Commands, contextOf, parseInput } from '../context.ts';
import { EXECUTION, nowOf, run, unlessPoolsAreFull, unlessRecorded, unlessRefused } from '../run.ts';
import { workflowVersion } from '../workflow/workflow-version.ts';

/** Inputs may only name steps that exist. */
const checkInputs = (inputs: Readonly<Record<string, unknown>> | undefined, { definition }: WorkflowVersion): void => {
  const known = new Set(definition.tasks.map(({ id }) => id));
  const unknown = Object.keys(inputs ?? {}).filter((id) => !known.has(id));
  if (unknown.length > 0)
    throw badInput(
      unknown.map((id) => ({
        pointer: `/inputs/${id}`,
        code: 'UNKNOWN_TASK',
        message: `${definition.name}@${definition.version} has no task ${id}`,
      })),
    );
  // They share one event with the definition and the input.
  const bytes = inputs === undefined ? 0 : byteLengthOf(inputs);
  if (bytes > MAX_PAYLOAD_BYTES)
    throw badInput([
      {
        pointer: '/inputs',
        code: 'TOO_LARGE',
        message: `at most ${MAX_PAYLOAD_BYTES} bytes of JSON together, got ${bytes}`,
      },
    ]);
};

/** The input must be what the version takes. */
const checkInput = (input: StartExecution['input'], { definition, version }: WorkflowVersion): void => {
  const { name, inputSchema } = definition;
  const mismatches = inputSchema === undefined ? [] : mismatchesOf(inputSchema as SchemaObject, input);
  if (mismatches.length > 0)
    throw badInput(
      mismatches.map(({ pointer, code, message }) => ({
        pointer: `/input${pointer}`,
        code,
        message: `${message} (inputSchema of ${name}@${version})`,
      })),
    );
};

/** The pools that its steps go to, each with the most urgent priority among them. */
const prioritiesOf = ({ definition }: WorkflowVersion): ReadonlyMap<string, number> => {
  const priorities = new Map<string, number>();
  for (const { role, capability, priority } of definition.tasks) {
    const ofRole = role === undefined ? undefined : definition.agents[role]?.pool;
    const pool = capability === undefined ? ofRole : DEFAULT_POOL;
    if (pool !== undefined) priorities.set(pool, Math.min(priority, priorities.get(pool) ?? priority));
  }
  return priorities;
};

type Start = Pick<StartExecution, 'executionId' | 'input' | 'inputs' | 'tags' | 'parent' | 'forkedFrom' | 'unwanted'>;

/** Appends the first decision of a new execution. */
export const begin = async (
  commands: Commands,
  caller: Caller,
  chosen: WorkflowVersion,
  start: Start,
  context: ReturnType<typeof contextOf>,
): Promise<Result<Accepted, ExecutionRejection>> => {
  const { definition, version, digest } = chosen;
  checkInputs(start.inputs, chosen);
  // One that is cancelled as it starts does nothing with its input.
  if (start.unwanted === undefined) checkInput(start.input, chosen);
  const now = nowOf(commands);
  const workflow = { name: definition.name, version, digest };
  const command = { type: 'StartExecution' as const, ...start, workflow, definition, now };
  return run(commands, caller, EXECUTION, { id: start.executionId, command, now, context, assumeNew: true });
};

/**
 * Starts an execution of a workflow. The same idempotency key gives the same execution.
 *
 * Errors: `AppError` `NOT_FOUND` for a workflow that there is not; `BAD_USER_INPUT`.
 */
export const startExecution = async (
  commands: Commands,
  caller: Caller,
  input: unknown,
): Promise<Result<Accepted, ExecutionRejection>> => {
  const body = parseInput(StartExecutionInput, input);
  const context = contextOf(commands, caller, 'StartExecution', body);
  const executionId = executionIdOf(context.commandId);
  return unlessRecorded(commands, caller, EXECUTION, { id: executionId, context }, async () => {
    const chosen = await workflowVersion(commands, caller.tenant, body.workflow, body.version);
    const pools = Object.values(chosen.definition.agents).map(({ pool }) => ({ pointer: '/workflow', pool }));
    const admit = () => {
      for (const [pool, priority] of prioritiesOf(chosen)) commands.admission?.check(pool, priority);
      return undefined;
    };
    return unlessPoolsAreFull(commands, caller, EXECUTION, { id: executionId, context, pools }, () =>
      unlessRefused(commands, caller, EXECUTION, { id: executionId, context, admit }, () =>
        begin(commands, caller, chosen, { ...body, executionId }, context),
      ),
    );
  });
};

/**
 * Starts the sub-workflow that a step of another execution asks for; a repeat starts nothing new. With `unwanted` it is
 * cancelled as it starts: from then on
 * no one can start it, however late.
 *
 * Errors: as `startExecution`.
 */
export const startChildExecution = async (
  commands: Commands,
  caller: Caller,
  child: {
    readonly executionId: string;
    readonly name: string;
    readonly version?: string | undefined;
    readonly input: StartExecution['input'];
    readonly parent: { readonly executionId: string; readonly unit: string };
    readonly unwanted?: string;
  },
): Promise<Result<Accepted, ExecutionRejection>> => {
  const { executionId, input, parent, unwanted } = child;
  const chosen = await workflowVersion(commands, caller.tenant, child.name, child.version).catch(async (error) => {
    // It was started before its version was archived.
    const { status } = await commands.executions.load(executionStream(caller.tenant, executionId), { fresh: true });
    if (status !== 'none') return undefined;
    throw error;
  });
  if (chosen === undefined) return rejected({ reason: 'ExecutionAlreadyExists' });
  const context = contextOf(commands, caller, `StartChildExecution/${executionId}`, {});
  return begin(commands, caller, chosen, { executionId, input, tags: [], parent, unwanted }, context);
};
