import { randomUUID } from 'node:crypto';
import { type Artifact, type Message, type Part, Role, type Task, TaskState, type TaskStatus } from '@a2a-js/sdk';
import type { RequestContext } from '@a2a-js/sdk/server';
import { AgentError, type Progress } from './call.ts';

/** The forms in which calls and answers travel. */

const part = (content: NonNullable<Part['content']>, mediaType: string): Part => ({
  content,
  metadata: undefined,
  filename: '',
  mediaType,
});

const textPart = (value: string): Part => part({ $case: 'text', value }, 'text/plain');

/** A string travels as text, everything else as data; a handler that returns nothing answers null. */
const resultPart = (value: unknown): Part =>
  typeof value === 'string' ? textPart(value) : part({ $case: 'data', value: value ?? null }, 'application/json');

const messageOf = (
  { taskId, contextId }: { readonly taskId: string; readonly contextId: string },
  parts: Part[],
  metadata?: Record<string, unknown>,
): Message => ({
  messageId: randomUUID(),
  contextId,
  taskId,
  role: Role.ROLE_AGENT,
  parts,
  metadata,
  extensions: [],
  referenceTaskIds: [],
});

/** The input of a call: its first part, data or text. */
export const inputOf = ({ parts: [first] }: Message): unknown =>
  first?.content?.$case === 'data' || first?.content?.$case === 'text' ? first.content.value : undefined;

export const answerOf = ({ contextId }: RequestContext, result: unknown): Message =>
  messageOf({ taskId: '', contextId }, [resultPart(result)]);

export const artifactOf = (result: unknown): Artifact => ({
  artifactId: 'result',
  name: 'result',
  description: '',
  parts: [resultPart(result)],
  metadata: undefined,
  extensions: [],
});

type Ids = Pick<RequestContext, 'taskId' | 'contextId'>;

const statusOf = (state: TaskState, message?: Message): TaskStatus => ({
  state,
  timestamp: new Date().toISOString(),
  message,
});

export const working = (ids: Ids, { message, percent, checkpoint }: Progress = {}): TaskStatus =>
  statusOf(
    TaskState.TASK_STATE_WORKING,
    messageOf(ids, message === undefined ? [] : [textPart(message)], {
      ...(percent === undefined ? {} : { percent }),
      ...(checkpoint === undefined ? {} : { checkpoint }),
    }),
  );

export const completed = (): TaskStatus => statusOf(TaskState.TASK_STATE_COMPLETED);
export const canceled = (): TaskStatus => statusOf(TaskState.TASK_STATE_CANCELED);

export const failed = (ids: Ids, error: unknown): TaskStatus => {
  const text = error instanceof Error ? error.message : String(error);
  const facts = error instanceof AgentError ? { code: error.code, retryable: error.retryable } : {};
  return statusOf(TaskState.TASK_STATE_FAILED, messageOf(ids, [textPart(text)], facts));
};

export const taskOf = ({ taskId, contextId }: Ids, status: TaskStatus): Task => ({
  id: taskId,
  contextId,
  status,
  artifacts: [],
  history: [],
  metadata: undefined,
});
