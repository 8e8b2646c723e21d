import type { Caller, Commands } from '../../commands/context.ts';
import { cancelExecution } from '../../commands/execution/cancel-execution.ts';
import {
  closeChild,
  closeCompensation,
  compensateExecution,
  continueExecution,
  expireExecution,
  wakeStep,
} from '../../commands/execution/follow-execution.ts';
import { startChildExecution } from '../../commands/execution/start-execution.ts';
import { isNoWorkflow } from '../../commands/workflow/workflow-version.ts';
import { errorOf } from '../../domain/execution/errors.ts';
import { statusOf } from '../../domain/execution/state.ts';
import { executionStream } from '../../domain/ids.ts';
import { assertNever } from '../../domain/result.ts';
import type { ChildCompensation } from './child-compensations.ts';
import type { DueWork } from './wait-book.ts';

/** How deep sub-workflows may be nested; without a limit, a definition that starts itself would never end. */
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

/** How deep an execution is nested, itself included; counted up to `MAX_DEPTH`. */
const depthOf = async (commands: Commands, tenant: string, executionId: string): Promise<number> => {
  let depth = 1;
  for (let id = executionId; depth < MAX_DEPTH; depth += 1) {
    const state = await commands.executions.load(executionStream(tenant, id));
    if (state.status === 'none' || state.parent === undefined) return depth;
    id = state.parent.executionId;
  }
  return depth;
};

/** Returns true when the sub-workflow was started or can never be started, and false when it exists already. */
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
    // A workflow that does not exist will not exist the next time either.
    if (!isNoWorkflow(error)) throw error;
    await failChild(commands, caller, child, 'CHILD_NOT_STARTED', error.message.slice(0, 1_000));
    return true;
  }
};

const startChild = async (commands: Commands, caller: Caller, child: Child): Promise<void> => {
  if ((await depthOf(commands, caller.tenant, child.parentId)) >= MAX_DEPTH)
    await failChild(commands, caller, child, 'TOO_DEEP', `sub-workflows may be nested at most ${MAX_DEPTH} deep`);
  else await begin(commands, caller, child);
};

/**
 * Compensates what it did, where that is possible. A sub-workflow that has not started is cancelled as it starts: only an event in its own
 * stream keeps another follower, or an unfinished call of this one, from starting it after its parent was told that it does not exist.
 */
const cancelChild = async (commands: Commands, caller: Caller, child: Child): Promise<void> => {
  const { executionId, parentId } = child;
  const reason = `the execution ${parentId} that started it is aborting`;
  const state = await commands.executions.load(executionStream(caller.tenant, executionId), { fresh: true });
  if (state.status === 'none' && (await begin(commands, caller, child, { unwanted: reason }))) return;
  const cancelled = await cancelExecution(commands, caller, executionId, { reason, compensate: true });
  if (!cancelled.ok && cancelled.rejection.reason === 'PivotPassed')
    await cancelExecution(commands, caller, executionId, { reason, compensate: false });
};

/** Begins the compensation of a completed sub-workflow, or tells its parent how that ended. */
const compensateChild = async (commands: Commands, caller: Caller, { childId, parentId, unit }: ChildCompensation) => {
  const reason = `the execution ${parentId} that started it is compensating`;
  const begun = await compensateExecution(commands, caller, childId, reason);
  const child = await commands.executions.load(executionStream(caller.tenant, childId), { fresh: true });
  const status = child.status === 'none' ? 'none' : statusOf(child);
  const failed = (code: string, why: string) =>
    closeCompensation(commands, caller, parentId, {
      unit,
      error: errorOf(code, `the sub-workflow ${childId} ${why}`),
    });
  if (!begun.ok) await failed('CHILD_PIVOT_PASSED', 'has passed its pivot, or may have: it cannot be compensated');
  else if (status === 'compensation_failed')
    await failed('CHILD_COMPENSATION_FAILED', 'could not be compensated: see its parked compensations');
  // What completed and owes nothing stays as it is.
  else if (status === 'compensated' || status === 'cancelled' || status === 'completed')
    await closeCompensation(commands, caller, parentId, { unit });
};

/**
 * Does the work that is due for an execution. It does no harm to do it again, or twice at once: each command is refused or changes nothing
 * the second time.
 *
 * Errors: whatever keeps a command from being recorded; the work then stays due.
 */
export const carryOut = async (commands: Commands, tenant: string, work: DueWork): Promise<void> => {
  const caller = callerIn(tenant);
  switch (work.kind) {
    case 'expire':
      await expireExecution(commands, caller, work.executionId);
      return;
    case 'continue':
      await continueExecution(commands, caller, work.executionId);
      return;
    case 'compensateChild':
      return compensateChild(commands, caller, work.owed);
    case 'wake':
      await wakeStep(commands, caller, work.executionId, { step: work.step, dueMs: work.dueMs });
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
