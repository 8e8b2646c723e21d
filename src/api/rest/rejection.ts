import type { ExecutionRejection } from '../../domain/execution/decision.ts';
import type { Result } from '../../domain/result.ts';
import type { WorkflowRejection } from '../../domain/workflow/decider.ts';
import { AppError } from '../../platform/errors.ts';
import { EXECUTION_REASONS, isAmong, messageIn, type Reasons, WORKFLOW_REASONS } from '../../wording/rejections.ts';

const acceptedBut =
  <Rejection extends { readonly reason: string }>(reasons: Reasons<Rejection>) =>
  <Value>(result: Result<Value, ExecutionRejection | WorkflowRejection>): Value => {
    if (result.ok) return result.value;
    const { rejection } = result;
    const message = isAmong(reasons, rejection) ? messageIn(reasons, rejection) : rejection.reason;
    throw new AppError('REJECTED', message, { details: rejection });
  };

/** What was accepted. Errors: `AppError` `REJECTED` with the rejection as its details. */
export const acceptedByWorkflow = acceptedBut(WORKFLOW_REASONS);

/** As `acceptedByWorkflow`. */
export const acceptedByExecution = acceptedBut(EXECUTION_REASONS);
