import { z } from 'zod';
import type { Json } from '../json.ts';
import { JsonPayload, recordOf, text } from '../json.ts';
import type { RuleSet } from '../rules/rule-set.ts';
import type { TaskCommand } from '../task/commands.ts';
import type { AttemptError } from '../task/events.ts';
import { CompensationStrategy, MAX_TASKS, StepName, type WorkflowDefinition } from '../workflow/definition.ts';
import type { ExecutionEvent, ReusedStep, WorkflowRef } from './events.ts';

const Comment = text({ max: 1_000 });
/** Key of a step, or of one item of it. */
export const UnitKeyInput = z
  .string()
  .regex(
    /^[A-Za-z][A-Za-z0-9_-]{0,127}(\[\d{1,6}\])?$/,
    'must be the id of a task, as collect, or of an item of it, as resize[3]',
  );
const SignalName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/, 'must match ^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$');
const StepInputs = recordOf(StepName, JsonPayload, { max: MAX_TASKS, what: 'inputs' });

/** What a caller sends to start an execution. */
export const StartExecutionInput = z.strictObject({
  workflow: z.string().min(1).max(128),
  /** Absent: the newest version that is neither deprecated nor archived. */
  version: z.string().min(1).max(100).optional(),
  input: JsonPayload.default(null),
  tags: z
    .array(text({ min: 1, max: 100 }))
    .max(20)
    .default([]),
  /** Inputs that steps get instead of those of the definition. */
  inputs: StepInputs.optional(),
});
export type StartExecutionInput = z.output<typeof StartExecutionInput>;

export const PauseExecutionInput = z.strictObject({ reason: Comment.optional() });
export const CancelExecutionInput = z.strictObject({
  reason: Comment.optional(),
  /** Compensate what was done. Refused once a pivot has completed, or may have. */
  compensate: z.boolean().default(false),
  /** Absent: the definition's. */
  strategy: CompensationStrategy.optional(),
});
export const SignalExecutionInput = z.strictObject({ name: SignalName, payload: JsonPayload.default(null) });
export const DecideStepInput = z.strictObject({
  step: StepName,
  /** One of the step's options; where it has none, `approved` or `rejected`. */
  option: text({ min: 1, max: 100 }),
  comment: Comment.optional(),
});
export const RetryExecutionInput = z.strictObject({
  /** Absent: every step whose failure blocks the execution. */
  step: StepName.optional(),
  /** What the step gets this time; without it, what it got before. */
  input: JsonPayload.optional(),
});
export const SkipStepInput = z.strictObject({ step: StepName, reason: text({ min: 1, max: 1_000 }) });
export const ForkExecutionInput = z.strictObject({
  /** Revision of the last event of the execution's stream that counts; absent: the present one. */
  revision: z.int().min(0).optional(),
  /** Another version of the workflow. */
  version: z.string().min(1).max(100).optional(),
  input: JsonPayload.optional(),
  inputs: StepInputs.optional(),
  /** Steps to be done again although they had completed; what depends on them is done again too. */
  rerun: z.array(StepName).max(MAX_TASKS).default([]),
});
export type ForkExecutionInput = z.output<typeof ForkExecutionInput>;
export const RetryCompensationInput = z.strictObject({ unit: UnitKeyInput, input: JsonPayload.optional() });
export const SkipCompensationInput = z.strictObject({ unit: UnitKeyInput, reason: text({ min: 1, max: 1_000 }) });
export const HandOverCompensationInput = z.strictObject({
  unit: UnitKeyInput,
  to: text({ min: 1, max: 200 }),
  note: Comment.optional(),
});
export type StartExecution = {
  readonly type: 'StartExecution';
  readonly executionId: string;
  readonly workflow: WorkflowRef;
  readonly definition: WorkflowDefinition;
  readonly input: Json;
  readonly inputs?: Readonly<Record<string, Json>> | undefined;
  readonly tags: readonly string[];
  readonly parent?: { readonly executionId: string; readonly unit: string } | undefined;
  readonly forkedFrom?:
    | { readonly executionId: string; readonly revision: number; readonly reused: readonly ReusedStep[] }
    | undefined;
  /** Why it is no longer wanted: it is cancelled in the same decision, so that nobody else can start it. */
  readonly unwanted?: string | undefined;
  readonly now: string;
};

/** A command of the lifecycle of one of the execution's tasks. */
export type RunTask = {
  readonly type: 'RunTask';
  readonly taskId: string;
  readonly command: Exclude<
    TaskCommand,
    { type: 'SubmitTask' | 'CancelTask' | 'RedriveTask' | 'SettleDependencies' | 'ExpireTask' }
  >;
  readonly now: string;
};

/**
 * Sent by the pool's writer, the only one that knows, after the execution began to abort: whether an agent holds the
 * task. A writer that decides assignments
 * and has seen the abort assigns none of its steps any more.
 */
export type ReleaseTask = {
  readonly type: 'ReleaseTask';
  readonly taskId: string;
  readonly attempt: number;
  readonly held: boolean;
  readonly now: string;
};

type PlainCommand =
  | StartExecution
  | RunTask
  | ReleaseTask
  | { readonly type: 'PauseExecution'; readonly reason?: string | undefined; readonly now: string }
  | { readonly type: 'ResumeExecution'; readonly now: string }
  | {
      readonly type: 'CancelExecution';
      readonly reason?: string | undefined;
      readonly compensate: boolean;
      readonly strategy?: CompensationStrategy | undefined;
      readonly now: string;
    }
  | { readonly type: 'ExpireExecution'; readonly now: string }
  | { readonly type: 'SignalExecution'; readonly name: string; readonly payload: Json; readonly now: string }
  | {
      readonly type: 'DecideStep';
      readonly step: string;
      readonly option: string;
      readonly comment?: string | undefined;
      readonly by: string;
      readonly now: string;
    }
  /** The last decision was more than one append took. */
  | { readonly type: 'ContinueExecution'; readonly now: string }
  /** A delay is over, or a wait has taken too long: by `now`, or, for the wait that was recorded to end at `dueMs`, because the caller says so. */
  | { readonly type: 'WakeStep'; readonly step: string; readonly dueMs?: number | undefined; readonly now: string }
  /** The sub-workflow of a step has ended, or could not be started. */
  | {
      readonly type: 'CloseChild';
      readonly step: string;
      readonly childId: string;
      readonly outcome:
        | { readonly status: 'completed'; readonly output: Json }
        | { readonly status: 'failed'; readonly error: AttemptError };
      readonly now: string;
    }
  /** The sub-workflow of a step is compensated with its parent. */
  | { readonly type: 'CompensateExecution'; readonly reason: string; readonly now: string }
  /** A sub-workflow was compensated, or could not be. */
  | {
      readonly type: 'CloseCompensation';
      readonly unit: string;
      /** Absent: it was. */
      readonly error?: AttemptError | undefined;
      readonly now: string;
    }
  | {
      readonly type: 'RetryExecution';
      readonly step?: string | undefined;
      readonly input?: Json | undefined;
      readonly now: string;
    }
  | { readonly type: 'SkipStep'; readonly step: string; readonly reason: string; readonly now: string }
  | {
      readonly type: 'RetryCompensation';
      readonly unit: string;
      readonly input?: Json | undefined;
      readonly now: string;
    }
  | { readonly type: 'SkipCompensation'; readonly unit: string; readonly reason: string; readonly now: string }
  | {
      readonly type: 'HandOverCompensation';
      readonly unit: string;
      readonly to: string;
      readonly note?: string | undefined;
      readonly now: string;
    }
  | {
      readonly type: 'MigrateExecution';
      readonly workflow: WorkflowRef;
      readonly definition: WorkflowDefinition;
      readonly mapping: Extract<ExecutionEvent, { type: 'ExecutionMigrated' }>['data']['mapping'];
      readonly now: string;
    };

/** The rules by which the tasks are routed that a decision submits. */
export type TaskRouting = { readonly tenant: string; readonly rules: RuleSet };

export type ExecutionCommand = PlainCommand & {
  /** Absent: there are none. */
  readonly routing?: TaskRouting;
};

export type CommandOf<Type extends ExecutionCommand['type']> = Extract<ExecutionCommand, { type: Type }>;
