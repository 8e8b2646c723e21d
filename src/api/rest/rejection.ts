import type { ExecutionRejection } from '../../domain/execution/decider.ts';
import type { Result } from '../../domain/result.ts';
import type { WorkflowRejection } from '../../domain/workflow/decider.ts';
import { AppError } from '../../platform/errors.ts';
import { isOwnRejection, messageOfExecution, messageOfWorkflow } from '../graphql/executions/execution-rejections.ts';

const rejected = (message: string, details: ExecutionRejection | WorkflowRejection): AppError =>
  new AppError('REJECTED', message, { details });

/** What was accepted. Errors: `AppError` `REJECTED` with the rejection as its details. */
export const acceptedByWorkflow = <Value>(result: Result<Value, WorkflowRejection>): Value => {
  if (result.ok) return result.value;
  throw rejected(messageOfWorkflow(result.rejection), result.rejection);
};

/** As `acceptedByWorkflow`. */
export const acceptedByExecution = <Value>(result: Result<Value, ExecutionRejection>): Value => {
  if (result.ok) return result.value;
  const { rejection } = result;
  throw rejected(isOwnRejection(rejection) ? messageOfExecution(rejection) : rejection.reason, rejection);
};
