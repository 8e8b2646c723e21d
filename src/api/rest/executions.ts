import { z } from 'zod';
import { parseInput } from '../../commands/context.ts';
import { cancelExecution } from '../../commands/execution/cancel-execution.ts';
import { decideStep } from '../../commands/execution/decide-step.ts';
import { forkExecution } from '../../commands/execution/fork-execution.ts';
import { pauseExecution } from '../../commands/execution/pause-execution.ts';
import { resumeExecution } from '../../commands/execution/resume-execution.ts';
import { retryExecution } from '../../commands/execution/retry-execution.ts';
import { signalExecution } from '../../commands/execution/signal-execution.ts';
import { skipStep } from '../../commands/execution/skip-step.ts';
import { startExecution } from '../../commands/execution/start-execution.ts';
import {
  CancelExecutionInput,
  DecideStepInput,
  ForkExecutionInput,
  PauseExecutionInput,
  RetryExecutionInput,
  SignalExecutionInput,
  SkipStepInput,
  StartExecutionInput,
} from '../../domain/execution/commands.ts';
import { ExecutionId, WorkflowName } from '../../domain/ids.ts';
import { BuiltPayload } from '../../domain/json.ts';
import { AttemptError } from '../../domain/task/events.ts';
import { notFound } from '../../platform/errors.ts';
import { ENDED_EXECUTION_STATUSES, type ExecutionOutcome } from '../../processes/outcomes/execution-outcomes.ts';
import type { WithOutcome } from '../../processes/outcomes/waits.ts';
import { EXECUTION, EXECUTION_KEY, FAILED_EXECUTION, FORK, FORK_KEY, WORKFLOW } from './examples.ts';
import { ExecutionAccepted, executionAccepted, onExecution, statusPath } from './on-execution.ts';
import { COMMAND_REFUSALS, type Operation, operation } from './operation.ts';
import { acceptedByExecution } from './rejection.ts';

/** The workflow is named by the path. */
export const ExecuteWorkflowInput = StartExecutionInput.omit({ workflow: true });
const ResumeExecutionInput = z.strictObject({});

export const ExecutionStarted = ExecutionAccepted.extend({
  outcome: z
    .strictObject({
      status: z.enum(ENDED_EXECUTION_STATUSES),
      output: BuiltPayload,
      error: AttemptError.optional(),
    })
    .optional()
    .meta({ description: 'How it ended, if it did while the request waited.' }),
});

const started = (value: WithOutcome<ExecutionOutcome>) => ({
  ...executionAccepted(value),
  ...(value.outcome ? { outcome: value.outcome } : {}),
});

const execute = operation({
  method: 'post',
  path: '/workflows/{name}/execute',
  id: 'executeWorkflow',
  summary: 'Start an execution of a workflow',
  description: 'Without `version`, the newest release that is neither deprecated nor archived.',
  target: WorkflowName,
  body: { schema: ExecuteWorkflowInput, required: false },
  waits: { done: 'Nothing more happens by itself: see `outcome`' },
  success: { status: 202, description: 'Started; `Location` is its status', schema: ExecutionStarted },
  refusals: COMMAND_REFUSALS,
  example: { target: WORKFLOW.name, key: EXECUTION_KEY, body: { input: { order: 4711 }, tags: ['2026-07'] } },
  async run({ commands, caller, waits, patience, target, body }) {
    if (!WorkflowName.safeParse(target).success) throw notFound('workflow', JSON.stringify(target));
    const input = { ...parseInput(ExecuteWorkflowInput, body), workflow: target };
    const value = acceptedByExecution(
      await waits.execution(caller.tenant, patience, () => startExecution(commands, caller, input)),
    );
    return { body: started(value), location: statusPath(value.id), ...(value.outcome ? { status: 200 } : {}) };
  },
});

const pause = onExecution({
  verb: 'pause',
  alsoUnderWorkflows: true,
  id: 'pauseExecution',
  summary: 'Pause an execution',
  description: 'Nothing new starts; agents finish the tasks they hold.',
  schema: PauseExecutionInput,
  success: 'Paused',
  example: { target: EXECUTION, key: 'pause-1', body: { reason: 'stocktaking' } },
  command: pauseExecution,
});

const resume = onExecution({
  verb: 'resume',
  alsoUnderWorkflows: true,
  id: 'resumeExecution',
  summary: 'Resume a paused execution',
  schema: ResumeExecutionInput,
  success: 'Resumed',
  example: { target: EXECUTION, key: 'resume-1' },
  command: async (commands, caller, executionId, body) => {
    parseInput(ResumeExecutionInput, body);
    return resumeExecution(commands, caller, executionId);
  },
});

const signal = onExecution({
  verb: 'signal',
  id: 'signalExecution',
  summary: 'Deliver an event from outside',
  description: 'To the step that waits for its name, now or later. This is the address for a webhook.',
  schema: SignalExecutionInput,
  required: true,
  success: 'Delivered, or kept for the step that will wait for it',
  example: {
    target: EXECUTION,
    key: 'invoice-4711',
    body: { name: 'invoice-received', payload: { invoice: 'R-88', cents: 129_900 } },
  },
  command: signalExecution,
});

const decide = onExecution({
  verb: 'decide',
  id: 'decideStep',
  summary: 'Answer a step that waits for a decision',
  description: 'With one of the options of the step; where it has none, `approved` or `rejected`.',
  schema: DecideStepInput,
  required: true,
  success: 'Recorded',
  example: { target: EXECUTION, body: { step: 'approve', option: 'approved', comment: 'within the budget' } },
  command: decideStep,
});

const skip = onExecution({
  verb: 'skip',
  id: 'skipStep',
  summary: 'Continue without a step that has not completed',
  schema: SkipStepInput,
  required: true,
  success: 'Skipped',
  example: { target: EXECUTION, body: { step: 'delivery', reason: 'collected in person' } },
  command: skipStep,
});

const retry = onExecution({
  verb: 'retry',
  id: 'retryExecution',
  summary: 'Continue a failed execution',
  description: 'All steps that block it run again, one of them with another input if `step` and `input` say so.',
  schema: RetryExecutionInput,
  begins: true,
  success: 'Continues; `Location` is its status',
  example: { target: FAILED_EXECUTION },
  command: retryExecution,
});

const cancel = onExecution({
  verb: 'cancel',
  alsoUnderWorkflows: true,
  id: 'cancelExecution',
  summary: 'End an execution',
  description:
    'Agents are told to stop. With `compensate`, completed steps are compensated; that is refused once a pivot has completed.',
  schema: CancelExecutionInput,
  begins: true,
  success: 'Being cancelled; `Location` is its status',
  example: { target: FORK, key: 'cancel-1', body: { reason: 'ordered twice' } },
  command: cancelExecution,
});

const fork = operation({
  method: 'post',
  path: '/executions/{id}/fork',
  id: 'forkExecution',
  summary: 'Start a new execution from a past state of another',
  description: 'Steps that had completed by then are copied, the rest runs again. The other execution does not change.',
  target: ExecutionId,
  body: { schema: ForkExecutionInput, required: false },
  success: { status: 202, description: 'Started; `Location` is its status', schema: ExecutionAccepted },
  refusals: COMMAND_REFUSALS,
  example: { target: EXECUTION, key: FORK_KEY, body: { revision: 0, input: { order: 4712 } } },
  async run({ commands, reads, caller, target, body }) {
    const value = acceptedByExecution(await forkExecution(commands, reads.store, caller, target.toLowerCase(), body));
    return { body: executionAccepted(value), location: statusPath(value.id) };
  },
});

export const EXECUTION_COMMANDS: readonly Operation[] = [
  execute,
  pause,
  resume,
  signal,
  decide,
  skip,
  fork,
  cancel,
  retry,
];
