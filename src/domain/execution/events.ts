import { z } from 'zod';
import type { EventOf } from '../event-definition.ts';
import { AgentId, ExecutionId, WorkflowName } from '../ids.ts';
import { Instant } from '../instant.ts';
import { BuiltPayload, JsonPayload } from '../json.ts';
import { AttemptError, type TaskEvent } from '../task/events.ts';
import { CompensationStrategy, type WorkflowDefinition } from '../workflow/definition.ts';

const StepId = z.string().min(1).max(128);
/** Key of a step or of one item of it, see `unit.ts`. */
const UnitKey = z.string().min(1).max(140);
const Comment = z.string().max(1_000);

/** Version of a definition, and the SHA-256 of its canonical form. */
export const WorkflowRef = z.strictObject({
  name: WorkflowName,
  version: z.string(),
  digest: z.string().regex(/^[0-9a-f]{64}$/),
});
export type WorkflowRef = z.output<typeof WorkflowRef>;

/** As it was checked when it was published; each execution holds its own copy, so that its stream alone explains it. */
const PinnedDefinition = z.custom<WorkflowDefinition>((value) => value !== null && typeof value === 'object');

/** Where the time went, in milliseconds. */
export const TimeSpent = z.strictObject({
  durationMs: z.number().min(0),
  /** At least one agent was working. */
  agentMs: z.number().min(0),
  /** No agent was working, and a delay, an event, a person or a sub-workflow was waited for. */
  waitMs: z.number().min(0),
  /** The rest: what coordination cost. */
  overheadMs: z.number().min(0),
});
export type TimeSpent = z.output<typeof TimeSpent>;

/** A step whose outcome is taken over from the execution that this one was forked from. */
export const ReusedStep = z.strictObject({
  stepId: StepId,
  status: z.enum(['completed', 'skipped', 'failed']),
  /** Skipped by a person. */
  passedOver: z.literal(true).optional(),
  /** Only where a step that is still to run may read it; otherwise it is in the stream that it came from. */
  output: BuiltPayload.optional(),
  agentId: AgentId.optional(),
  /** The task that did it, in the stream it was forked from. */
  taskId: z.uuid().optional(),
});
export type ReusedStep = z.output<typeof ReusedStep>;

export const WAIT_KINDS = ['delay', 'event', 'decision', 'workflow'] as const;

/** A workflow's execution. The lifecycles of its tasks are in the same stream, in the events of `task/events.ts`. */
export const executionEvents = {
  ExecutionStarted: {
    schemaVersion: 1,
    schema: z.strictObject({
      executionId: ExecutionId,
      workflow: WorkflowRef,
      definition: PinnedDefinition,
      input: BuiltPayload,
      tags: z.array(z.string()),
      /** Given up when it has not ended by then. */
      deadlineAt: Instant.optional(),
      /** The step that this is the sub-workflow of. */
      parent: z.strictObject({ executionId: ExecutionId, unit: UnitKey }).optional(),
      forkedFrom: z
        .strictObject({
          executionId: ExecutionId,
          /** Revision of the last event that counts. */
          revision: z.int().min(0),
          reused: z.array(ReusedStep),
        })
        .optional(),
      /** Inputs that steps get instead of those of the definition, by step. */
      inputs: z.record(StepId, BuiltPayload).optional(),
      startedAt: Instant,
    }),
  },
  /** Nothing new starts; what agents hold goes on. */
  ExecutionPaused: {
    schemaVersion: 1,
    schema: z.strictObject({ executionId: ExecutionId, reason: Comment.optional(), pausedAt: Instant }),
  },
  ExecutionResumed: {
    schemaVersion: 1,
    schema: z.strictObject({ executionId: ExecutionId, resumedAt: Instant }),
  },
  /** The list that a step runs for, evaluated once. */
  StepExpanded: {
    schemaVersion: 1,
    schema: z.strictObject({
      executionId: ExecutionId,
      stepId: StepId,
      items: z.array(BuiltPayload),
      expandedAt: Instant,
    }),
  },
  StepWaiting: {
    schemaVersion: 1,
    schema: z.strictObject({
      executionId: ExecutionId,
      stepId: StepId,
      kind: z.enum(WAIT_KINDS),
      /** Of the event or the decision. */
      name: z.string().optional(),
      options: z.array(z.string()).optional(),
      /** When the delay ends, or the wait times out. */
      dueAt: Instant.optional(),
      /** The sub-workflow to be started. */
      child: z
        .strictObject({
          executionId: ExecutionId,
          name: WorkflowName,
          version: z.string().optional(),
          input: BuiltPayload,
        })
        .optional(),
      since: Instant,
    }),
  },
  /** A step that no agent does: the end of a delay, an event, a decision, a sub-workflow. */
  StepCompleted: {
    schemaVersion: 1,
    schema: z.strictObject({
      executionId: ExecutionId,
      stepId: StepId,
      output: BuiltPayload,
      completedAt: Instant,
    }),
  },
  /** A step that failed without an agent: an expression, a list that is too long, a wait that took too long, a sub-workflow. */
  StepFailed: {
    schemaVersion: 1,
    schema: z.strictObject({ executionId: ExecutionId, stepId: StepId, error: AttemptError, failedAt: Instant }),
  },
  StepSkipped: {
    schemaVersion: 1,
    schema: z.strictObject({
      executionId: ExecutionId,
      stepId: StepId,
      /** Its condition was false; all its dependencies were skipped; a person decided so. */
      reason: z.enum(['condition', 'dependencies', 'person']),
      comment: Comment.optional(),
      skippedAt: Instant,
    }),
  },
  /** An event from outside; the first step that waits for its name takes it, now or later. */
  ExecutionSignalled: {
    schemaVersion: 1,
    schema: z.strictObject({
      executionId: ExecutionId,
      name: z.string().min(1).max(128),
      payload: JsonPayload,
      signalledAt: Instant,
    }),
  },
  /** From here on no step starts. What agents hold is waited for (or cancelled), then completed steps are compensated. */
  ExecutionAborting: {
    schemaVersion: 1,
    schema: z.strictObject({
      executionId: ExecutionId,
      reason: z.enum(['step_failed', 'cancelled', 'deadline_passed']),
      /** The unit that failed. */
      unit: UnitKey.optional(),
      error: AttemptError.optional(),
      comment: Comment.optional(),
      /** Whether completed steps are to be compensated, and how. */
      compensate: z.boolean(),
      strategy: CompensationStrategy,
      /** Agents that work are told to stop; whether they had an effect is then unknown. */
      interrupt: z.boolean(),
      abortedAt: Instant,
    }),
  },
  /**
   * What followed from the events before was too much for one append. `rest`: there is more, which is decided next; otherwise that was all.
   */
  ExecutionContinued: {
    schemaVersion: 1,
    schema: z.strictObject({ executionId: ExecutionId, rest: z.boolean(), continuedAt: Instant }),
  },
  /**
   * The units to be compensated, and in which order: each after those in `after`. A plan that is too long for one append comes in several of
   * these, which add to each other.
   */
  CompensationStarted: {
    schemaVersion: 1,
    schema: z.strictObject({
      executionId: ExecutionId,
      strategy: CompensationStrategy,
      plan: z.array(z.strictObject({ unit: UnitKey, after: z.array(UnitKey) })),
      /** Units in all parts of the plan; only where it has several. */
      owed: z.int().min(1).optional(),
      startedAt: Instant,
    }),
  },
  /** The unit is a sub-workflow, which is compensated as a whole: by its own compensations, in its own stream. */
  CompensationWaiting: {
    schemaVersion: 1,
    schema: z.strictObject({ executionId: ExecutionId, unit: UnitKey, childId: ExecutionId, since: Instant }),
  },
  /** The sub-workflow was compensated, or had done nothing that could be. */
  CompensationCompleted: {
    schemaVersion: 1,
    schema: z.strictObject({ executionId: ExecutionId, unit: UnitKey, completedAt: Instant }),
  },
  /** A compensation has failed permanently and waits for a person. `unit` is what it compensates. */
  CompensationParked: {
    schemaVersion: 1,
    schema: z.strictObject({ executionId: ExecutionId, unit: UnitKey, error: AttemptError, parkedAt: Instant }),
  },
  /** A person has taken it on: done by hand, or not needed. */
  CompensationSkipped: {
    schemaVersion: 1,
    schema: z.strictObject({ executionId: ExecutionId, unit: UnitKey, reason: Comment.min(1), skippedAt: Instant }),
  },
  /** Someone takes care of it; it stays parked. */
  CompensationHandedOver: {
    schemaVersion: 1,
    schema: z.strictObject({
      executionId: ExecutionId,
      unit: UnitKey,
      to: z.string().min(1).max(200),
      note: Comment.optional(),
      handedOverAt: Instant,
    }),
  },
  /** A failed execution goes on: these steps are to be repeated. With none, a completed one is about to be compensated with its parent. */
  ExecutionReopened: {
    schemaVersion: 1,
    schema: z.strictObject({ executionId: ExecutionId, steps: z.array(StepId), reopenedAt: Instant }),
  },
  ExecutionMigrated: {
    schemaVersion: 1,
    schema: z.strictObject({
      executionId: ExecutionId,
      from: WorkflowRef,
      workflow: WorkflowRef,
      definition: PinnedDefinition,
      /** Old step to new step, where the name differs; null drops a step that has not started. */
      mapping: z.record(StepId, StepId.nullable()),
      migratedAt: Instant,
    }),
  },
  ExecutionCompleted: {
    schemaVersion: 1,
    schema: TimeSpent.extend({ executionId: ExecutionId, output: BuiltPayload, completedAt: Instant }),
  },
  /** It waits until a person retries, skips or cancels. */
  ExecutionFailed: {
    schemaVersion: 1,
    schema: TimeSpent.extend({
      executionId: ExecutionId,
      unit: UnitKey.optional(),
      error: AttemptError,
      failedAt: Instant,
    }),
  },
  ExecutionCancelled: {
    schemaVersion: 1,
    schema: TimeSpent.extend({ executionId: ExecutionId, reason: Comment.optional(), cancelledAt: Instant }),
  },
  /** Everything was compensated, or skipped by a person. */
  ExecutionCompensated: {
    schemaVersion: 1,
    schema: TimeSpent.extend({
      executionId: ExecutionId,
      compensated: z.int().min(0),
      skipped: z.int().min(0),
      compensatedAt: Instant,
    }),
  },
  /** Nothing more can be compensated without a person: see the parked compensations, of which this names the first 1,000. */
  ExecutionCompensationFailed: {
    schemaVersion: 1,
    schema: z.strictObject({ executionId: ExecutionId, parked: z.array(UnitKey).min(1), failedAt: Instant }),
  },
} as const;

export type ExecutionEvent = EventOf<typeof executionEvents>;
export type DataOf<Type extends ExecutionEvent['type']> = Extract<ExecutionEvent, { type: Type }>['data'];

/** What the stream of an execution holds: its own events and those of its tasks. */
export type ExecutionStreamEvent = ExecutionEvent | TaskEvent;
