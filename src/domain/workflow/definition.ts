import semver from 'semver';
import { z } from 'zod';
import { CapabilityName } from '../agent/descriptor.ts';
import { DEFAULT_POOL, PoolId, WorkflowName } from '../ids.ts';
import { JsonPayload, recordOf, text } from '../json.ts';
import { RetryPolicy } from '../retry.ts';
import { StrategyName } from '../routing/strategies.ts';
import { VersionRange } from '../task/commands.ts';
import { Priority } from '../task/events.ts';
import { ROUTING_HINTS } from '../task/routing-hints.ts';
import { MAX_EXPRESSION_LENGTH } from './expression.ts';

export const MAX_TASKS = 10_000;
/** Items that one task may run for at most. */
export const MAX_ITEMS = 10_000;
/** A definition is stored in the first event of each execution. */
export const MAX_DEFINITION_BYTES = 262_144;
const MAX_MS = 2_147_483_647;
/** A year: longer delays are schedules. */
const MAX_DELAY_MS = 31_536_000_000;

export const StepName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_-]{0,127}$/, 'must match ^[A-Za-z][A-Za-z0-9_-]{0,127}$')
  // Outputs are passed on as objects by task, and payloads may not have these keys.
  .refine((name) => name !== 'constructor' && name !== 'prototype', 'must not be constructor or prototype');
const RoleName = StepName;
const Semver = z
  .string()
  .max(100)
  .refine((version) => semver.valid(version) === version, 'must be a semver version such as 1.2.0');
const ExpressionText = text({ min: 1, max: MAX_EXPRESSION_LENGTH });
const Tag = text({ min: 1, max: 100 });
const TimeoutMs = z.int().min(1).max(MAX_MS);

/** requirements 1.4, and `saga`, `sequential`, `parallel` for what needs no coordinator. It names the shape; the graph decides what happens. */
export const PATTERNS = [
  'custom',
  'sequential',
  'parallel',
  'saga',
  'supervisor',
  'hierarchical',
  'handoff',
  'swarm',
  'network',
] as const;

/** requirements 1.3 with the corrected semantics, see `compensation/plan.ts`. */
export const COMPENSATION_STRATEGIES = ['backward', 'forward', 'parallel', 'selective', 'cascade'] as const;
export const CompensationStrategy = z.enum(COMPENSATION_STRATEGIES);
export type CompensationStrategy = z.output<typeof CompensationStrategy>;

/** What an agent must be able to do to play a role. */
export const AgentRequirement = z.strictObject({
  capability: CapabilityName,
  versionRange: VersionRange.optional(),
  pool: PoolId.default(DEFAULT_POOL),
  strategy: StrategyName.default('least_loaded'),
  /** For `failover`: agents in the order in which they are to be tried. */
  targets: ROUTING_HINTS.targets,
});

const Compensation = z.strictObject({
  role: RoleName.optional(),
  capability: CapabilityName.optional(),
  /** Template over `self.input` and `self.output`; absent: `{input, output}` of the task. */
  input: JsonPayload.optional(),
  timeoutMs: TimeoutMs.default(60_000),
  retry: RetryPolicy.optional(),
});

const ForEach = z.strictObject({
  /** Expression that gives a list. */
  items: ExpressionText,
  /** A longer list fails the task. */
  maxItems: z.int().min(1).max(MAX_ITEMS).default(1_000),
});

const WaitFor = z.strictObject({
  kind: z.enum(['event', 'decision']),
  /** Of the event; of the decision that a person makes. */
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/, 'must match ^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$'),
  /** Choices of a decision. */
  options: z
    .array(text({ min: 1, max: 100 }))
    .min(1)
    .max(20)
    .optional(),
  timeoutMs: z.int().min(1).max(MAX_DELAY_MS).optional(),
});

/** One node of the graph. It does exactly one thing: call an agent (role or capability), run a workflow, wait, or delay. */
export const TaskDefinition = z.strictObject({
  id: StepName,
  description: text({ max: 1_000 }).optional(),
  role: RoleName.optional(),
  capability: CapabilityName.optional(),
  workflow: z.strictObject({ name: WorkflowName, version: Semver.optional() }).optional(),
  waitFor: WaitFor.optional(),
  delayMs: z.int().min(0).max(MAX_DELAY_MS).optional(),
  dependsOn: z.array(StepName).max(MAX_TASKS).default([]),
  /** Expression; when it is false the task is skipped. */
  when: ExpressionText.optional(),
  /** Template; absent: a root gets the execution's input, another task an object of its dependencies' outputs by their ids. */
  input: JsonPayload.optional(),
  forEach: ForEach.optional(),
  timeoutMs: TimeoutMs.default(300_000),
  retry: RetryPolicy.optional(),
  priority: Priority.default(3),
  compensation: Compensation.optional(),
  /** For the strategy `selective`: the task is compensated. */
  compensate: z.boolean().default(false),
  /** Once it has completed nothing is compensated any more; the execution only goes forward. */
  pivot: z.boolean().default(false),
  tags: z.array(Tag).max(20).default([]),
  /**
   * What follows when its last attempt has failed: `fail` the execution, `skip` what depends on it and nothing else, or `continue` as if it had completed
   * with null.
   */
  onFailure: z.enum(['fail', 'skip', 'continue']).default('fail'),
  /** Expected duration, for the plan's critical path. */
  estimateMs: z.number().min(0).max(MAX_DELAY_MS).optional(),
});
export type TaskDefinition = z.output<typeof TaskDefinition>;

const Saga = z.strictObject({
  strategy: CompensationStrategy.default('backward'),
  /** For `cascade`: leave alone what the failure has nothing to do with. */
  scope: z.enum(['all', 'affected']).default('all'),
  /** For `selective`: besides tasks with `compensate`, these. */
  select: z
    .strictObject({ tasks: z.array(StepName).max(MAX_TASKS).default([]), tags: z.array(Tag).max(20).default([]) })
    .default({ tasks: [], tags: [] }),
  /** What becomes of the other compensations when one has failed permanently. */
  onCompensationFailure: z.enum(['stop', 'continue']).default('stop'),
});

const Coordination = z.strictObject({
  type: z.enum(['hybrid', 'graph_based', 'event_driven']).default('graph_based'),
  /** Tasks of one execution that agents may hold or wait for at a time. */
  maxParallel: z.int().min(1).max(1_000).default(200),
});

/** A workflow as data (requirements 1.4). This schema is the only source of its shape; the JSON Schema is made from it. */
export const WorkflowDefinition = z.strictObject({
  name: WorkflowName,
  version: Semver,
  description: text({ max: 2_000 }).optional(),
  pattern: z.enum(PATTERNS).default('custom'),
  /** JSON Schema that the input of an execution must match; which keywords it may use is in `input/keywords.ts`. */
  inputSchema: JsonPayload.optional(),
  /** Roles and what an agent needs for them. */
  agents: recordOf(RoleName, AgentRequirement, { max: MAX_TASKS, what: 'roles' }).default({}),
  tasks: z.array(TaskDefinition).min(1).max(MAX_TASKS),
  coordination: Coordination.default({ type: 'graph_based', maxParallel: 200 }),
  saga: Saga.default({
    strategy: 'backward',
    scope: 'all',
    select: { tasks: [], tags: [] },
    onCompensationFailure: 'stop',
  }),
  /** Of a whole execution. */
  timeoutMs: z.int().min(1).max(MAX_DELAY_MS).optional(),
  /** Template over the tasks; absent: the outputs of the tasks that nothing depends on, by their ids. */
  output: JsonPayload.optional(),
  tags: z.array(Tag).max(20).default([]),
});
export type WorkflowDefinition = z.output<typeof WorkflowDefinition>;
