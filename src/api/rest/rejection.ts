import type { ExecutionRejection } from '../../domain/execution/decider.ts';
import type { Result } from '../../domain/result.ts';
import type { WorkflowRejection } from '../../domain/workflow/decider.ts';
import { AppError } from '../../platform/errors.ts';

type Rejection = ExecutionRejection | WorkflowRejection;

const messageOf = (rejection: Rejection): string => {
  if (rejection.reason === 'VersionTaken')
    return `version ${rejection.version} was published with another content: publish it under another version`;
  if (rejection.reason === 'PivotPassed')
    return 'a pivot has completed: nothing is undone any more; cancel without compensate';
  return 'status' in rejection ? `${rejection.reason}: it is ${rejection.status}` : rejection.reason;
};

/** The value of what was accepted. Errors: `AppError` `REJECTED` with the rejection as its details. */
export const accepted = <Value>(result: Result<Value, Rejection>): Value => {
  if (result.ok) return result.value;
  throw new AppError('REJECTED', messageOf(result.rejection), { details: result.rejection });
};
