import type { Caller, Commands } from '../../commands/context.ts';
import { cancelExecution } from '../../commands/execution/cancel-execution.ts';
import { closeChild, expireExecution, wakeStep } from '../../commands/execution/follow-execution.ts';
import { startChildExecution } from '../../commands/execution/start-execution.ts';
import { isNoWorkflow } from '../../commands/workflow/workflow-version.ts';
import { executionStream } from '../../domain/ids.ts';
import { assertNever } from '../../domain/result.ts';
import type { DueWork } from './wait-book.ts';

/** Sub-workflows inside each other; a definition that starts itself would not end otherwise. */
export const MAX_DEPTH = 10;

type Child = Extract<DueWork, { kind: 'startChild' }>['child'];

const callerIn = (tenant: string): Caller => ({ tenant, actor: 'executions' });

const failChild = (
  commands: Commands,
  caller: Caller,
  { executionId, parentId, step }: Child,
  code: string,
  message: string,
) =>
  closeChild(commands, caller, parentId, {
    step,
    childId: executionId,
    outcome: { status: 'failed', error: { code, message, source: 'baton', retryable: false } },
  });

/** Executions around one, itself included, as far as they count. */
const depthOf = async (commands: Commands, tenant: string, executionId: string): Promise<number> => {
  let depth = 1;
  for (let id = executionId; depth < MAX_DEPTH; depth += 1) {
    const state = await commands.executions.load(executionStream(tenant, id));
    if (state.status === 'none' || state.parent === undefined) return depth;
    id = state.parent.executionId;
  }
  return depth;
};

/** Answers whether the sub-workflow is started, or never will be; else it is there already. */
const begin = async (
  commands: Commands,
  caller: Caller,
  child: Child,
  facts: { readonly unwanted?: string } = {},
): Promise<boolean> => {
  const { executionId, name, version, input, parentId, step } = child;
  const parent = { executionId: parentId, unit: step };
  try {
    const starter = { ...caller, correlationId: parentId };
    const start = { executionId, name, version, input, parent, ...facts };
    return (await startChildExecution(commands, starter, start)).ok;
  } catch (error) {
    // A workflow that there is not will not be there the next time either.
    if (!isNoWorkflow(error)) throw error;
    await failChild(commands, caller, child, 'CHILD_NOT_STARTED', error.message.slice(0, 1_000));
    return true;
  }
};

const startChild = async (commands: Commands, caller: Caller, child: Child): Promise<void> => {
  if ((await depthOf(commands, caller.tenant, child.parentId)) >= MAX_DEPTH)
    await failChild(commands, caller, child, 'TOO_DEEP', `at most ${MAX_DEPTH} sub-workflows inside each other`);
  else await begin(commands, caller, child);
};

/**
 * What it did is undone where it can be. One that has not started is cancelled as it starts: only its own stream can keep another follower,
 * or a call of this one that is still under way, from starting it after its parent was told that there is none.
 */
const cancelChild = async (commands: Commands, caller: Caller, child: Child): Promise<void> => {
  const { executionId, parentId } = child;
  const reason = `the execution ${parentId} that started it is aborting`;
  const state = await commands.executions.load(executionStream(caller.tenant, executionId), { fresh: true });
  if (state.status === 'none' && (await begin(commands, caller, child, { unwanted: reason }))) return;
  const undone = await cancelExecution(commands, caller, executionId, { reason, compensate: true });
  if (!undone.ok && undone.rejection.reason === 'PivotPassed')
    await cancelExecution(commands, caller, executionId, { reason, compensate: false });
};

/**
 * Does what is due for an execution. Again, or by two at once, is the same: each command is refused or changes nothing when it comes a second
 * time.
 *
 * Errors: whatever keeps a command from being recorded; the work is then still due.
 */
export const carryOut = async (commands: Commands, tenant: string, work: DueWork): Promise<void> => {
  const caller = callerIn(tenant);
  switch (work.kind) {
    case 'expire':
      await expireExecution(commands, caller, work.executionId);
      return;
    case 'wake':
      await wakeStep(commands, caller, work.executionId, work.step);
      return;
    case 'startChild':
      return startChild(commands, caller, work.child);
    case 'cancelChild':
      return cancelChild(commands, caller, work.child);
    case 'closeChild': {
      const { step, executionId: childId, parentId } = work.child;
      await closeChild(commands, caller, parentId, { step, childId, outcome: work.outcome });
      return;
    }
    default:
      assertNever(work);
  }
};
