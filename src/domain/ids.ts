import { z } from 'zod';
import { nameUuids } from './structures/name-uuid.ts';

/** Namespace of every id that Baton derives (a constant UUID, so that the same inputs give the same id everywhere). */
const uuidOf = nameUuids('6f6d8a0e-4d5c-5d3b-9f43-6d1c1a3f7b20');

/** Joined with U+001F, which no id may contain, so that ('ab','c') and ('a','bc') differ. */
const derive = (...parts: readonly string[]): string => uuidOf(parts.join('\u001f'));

export const DEFAULT_TENANT = 'default';
export const DEFAULT_POOL = 'default';

/** Letters, digits, `_`; no `-`, which ends the category, and no `.`, which ends the tenant. */
export const TenantId = z.string().regex(/^[A-Za-z0-9_]{1,64}$/, 'must match ^[A-Za-z0-9_]{1,64}$');
export const PoolId = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_]{0,63}$/, 'must match ^[A-Za-z0-9][A-Za-z0-9_]{0,63}$');
export const AgentId = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/, 'must match ^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$');
export const TaskId = z.uuid();
export const ExecutionId = z.uuid();
export const WorkflowName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/, 'must match ^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$');

/**
 * The id of an intent. The same key in the same tenant and scope (command and target) is the same intent.
 * Guessable by design: never a secret.
 */
export const commandIdOf = (tenant: string, scope: string, idempotencyKey: string): string =>
  derive('command', tenant, scope, idempotencyKey);

/** Event ids follow from the command, so that a repeated append is recognised by the store. */
export const eventIdOf = (commandId: string, ordinal: number): string => derive('event', commandId, String(ordinal));

export const taskIdOf = (commandId: string): string => derive('task', commandId);
export const executionIdOf = (commandId: string): string => derive('execution', commandId);

/**
 * The id of a task that an execution runs.
 *
 * @param unit the step, the item of a step, or the compensation of either (see `unitKeyOf`)
 * @param generation from 1; a new one when the step is asked to do something else than before, so that agents do not take it for a repeat
 */
export const executionTaskIdOf = (executionId: string, unit: string, generation: number): string =>
  derive('task', executionId, unit, String(generation));

/** The id of the execution that a step starts as its sub-workflow. */
export const childExecutionIdOf = (executionId: string, unit: string, generation: number): string =>
  derive('execution', executionId, unit, String(generation));

/** The A2A message id of one attempt: a repeated send of the same attempt carries the same id. */
export const messageIdOf = (taskId: string, attempt: number): string => derive('message', taskId, String(attempt));

/** Every category of streams. A stream is named `<category>-<tenant>.<id>`; no other code spells that out. */
export const STREAM_CATEGORIES = [
  'agent',
  'task',
  'execution',
  'workflow',
  'pool',
  'admission',
  'rules',
  'cluster',
] as const;
export type StreamCategory = (typeof STREAM_CATEGORIES)[number];

const namesIn =
  (category: StreamCategory) =>
  (tenant: string, id: string): string =>
    `${category}-${tenant}.${id}`;

export const agentStream = namesIn('agent');
export const taskStream = namesIn('task');
export const executionStream = namesIn('execution');
export const workflowStream = namesIn('workflow');
export const poolStream = namesIn('pool');
/** What people decide about the work of a pool. */
export const admissionStream = namesIn('admission');

/** What people decide about the routing of tasks. */
export const rulesStream = (tenant: string): string => namesIn('rules')(tenant, 'routing');

/** Holds the identity of the log itself. */
export const clusterStream = (tenant: string): string => namesIn('cluster')(tenant, 'identity');

/** The part of a stream name before the first `-`. */
export const categoryOf = (stream: string): string => {
  const end = stream.indexOf('-');
  return end === -1 ? stream : stream.slice(0, end);
};

export const isIn = (category: StreamCategory, stream: string): boolean => stream.startsWith(`${category}-`);

/** The id in a stream's name, whatever its category and tenant. */
export const idOf = (stream: string): string => stream.slice(stream.indexOf('.') + 1);

/** The id in a stream's name; undefined for a stream of another category or tenant. */
export const idIn = (category: StreamCategory, tenant: string, stream: string): string | undefined => {
  const start = namesIn(category)(tenant, '');
  return stream.startsWith(start) ? stream.slice(start.length) : undefined;
};
