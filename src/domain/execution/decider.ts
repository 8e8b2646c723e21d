import type { Decider } from '../decider.ts';
import { assertNever, ok, type Result, rejected } from '../result.ts';
import type { ExecutionCommand } from './commands.ts';
import { closeCompensation, handOverCompensation, retryCompensation, skipCompensation } from './decide/compensation.ts';
import { cancel, compensateCompleted, expire, goOn, migrate, pause, resume } from './decide/course.ts';
import { retry, skip } from './decide/retry.ts';
import { start } from './decide/start.ts';
import { releaseTask, runTask } from './decide/tasks.ts';
import { closeChild, decideStep, signal, wake } from './decide/waits.ts';
import type { Decision, ExecutionRejection } from './decision.ts';
import type { ExecutionStreamEvent } from './events.ts';
import { evolveExecution } from './evolve.ts';
import { type Execution, initialExecution } from './state.ts';

/** Decides on an execution (design §2): a completion and all that it unblocks are one decision, and so one append. */
const decideAndEvolve = (command: ExecutionCommand, execution: Execution): Decision => {
  if (command.type === 'StartExecution')
    return execution.status === 'none' ? start(command) : rejected({ reason: 'ExecutionAlreadyExists' });
  if (execution.status === 'none') return rejected({ reason: 'ExecutionNotFound' });
  switch (command.type) {
    case 'RunTask':
      return runTask(command, execution);
    case 'ReleaseTask':
      return releaseTask(command, execution);
    case 'PauseExecution':
      return pause(command, execution);
    case 'ResumeExecution':
      return resume(command, execution);
    case 'CancelExecution':
      return cancel(command, execution);
    case 'ExpireExecution':
      return expire(command, execution);
    case 'SignalExecution':
      return signal(command, execution);
    case 'DecideStep':
      return decideStep(command, execution);
    case 'ContinueExecution':
      return goOn(command, execution);
    case 'WakeStep':
      return wake(command, execution);
    case 'CloseChild':
      return closeChild(command, execution);
    case 'RetryExecution':
      return retry(command, execution);
    case 'SkipStep':
      return skip(command, execution);
    case 'CompensateExecution':
      return compensateCompleted(command, execution);
    case 'CloseCompensation':
      return closeCompensation(command, execution);
    case 'RetryCompensation':
      return retryCompensation(command, execution);
    case 'SkipCompensation':
      return skipCompensation(command, execution);
    case 'HandOverCompensation':
      return handOverCompensation(command, execution);
    case 'MigrateExecution':
      return migrate(command, execution);
    default:
      return assertNever(command);
  }
};

export const decideExecution = (
  command: ExecutionCommand,
  execution: Execution,
): Result<ExecutionStreamEvent[], ExecutionRejection> => {
  const decision = decideAndEvolve(command, execution);
  return decision.ok ? ok(decision.value.events) : decision;
};

export const executionDecider: Decider<Execution, ExecutionCommand, ExecutionStreamEvent, ExecutionRejection> = {
  initialState: initialExecution,
  decide: decideExecution,
  evolve: evolveExecution,
  decideAndEvolve,
};
