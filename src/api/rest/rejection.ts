import type { Result } from '../../domain/result.ts';
import { AppError } from '../../platform/errors.ts';
import {
  AGENT_REASONS,
  EXECUTION_REASONS,
  isAmong,
  messageIn,
  POOL_REASONS,
  type Reasons,
  RULE_REASONS,
  TASK_REASONS,
  WORKFLOW_REASONS,
} from '../../wording/rejections.ts';

type Refused = { readonly reason: string };

const acceptedBut =
  <Rejection extends Refused>(reasons: Reasons<Rejection>) =>
  <Value>(result: Result<Value, Refused>): Value => {
    if (result.ok) return result.value;
    const { rejection } = result;
    const message = isAmong(reasons, rejection) ? messageIn(reasons, rejection) : rejection.reason;
    throw new AppError('REJECTED', message, { details: rejection });
  };

/** What was accepted. Errors: `AppError` `REJECTED` with the rejection as its details. */
export const acceptedByTask = acceptedBut(TASK_REASONS);
/** As `acceptedByTask`. */
export const acceptedByAgent = acceptedBut(AGENT_REASONS);
/** As `acceptedByTask`. */
export const acceptedByWorkflow = acceptedBut(WORKFLOW_REASONS);
/** As `acceptedByTask`. */
export const acceptedByExecution = acceptedBut(EXECUTION_REASONS);
/** As `acceptedByTask`. */
export const acceptedByPool = acceptedBut(POOL_REASONS);
/** As `acceptedByTask`. */
export const acceptedByRule = acceptedBut(RULE_REASONS);
