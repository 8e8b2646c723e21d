import { type Message, type Part, type Task, TaskState } from '@a2a-js/sdk';
import type { Json } from '../../domain/json.ts';
import type { ProgressInput } from '../../domain/task/commands.ts';
import { badResponse, TransportError } from './transport.ts';

const partValue = ({ content, filename, mediaType }: Part): Json => {
  const file = { ...(filename === '' ? {} : { filename }), ...(mediaType === '' ? {} : { mediaType }) };
  switch (content?.$case) {
    case 'data':
      return (content.value ?? null) as Json;
    case 'text':
      return content.value;
    case 'raw':
      return { ...file, base64: content.value.toString('base64') };
    case 'url':
      // Never fetched: it can point anywhere.
      return { ...file, url: content.value };
    default:
      return null;
  }
};

/**
 * An agent's parts as one JSON value: none is null; a single one is the value itself (data unchanged, text as a string, a file as
 * `{filename, mediaType, base64 | url}`); of several, a single data part is the result and the texts beside it are commentary; otherwise
 * they are an array, in their order.
 */
export const resultOfParts = (parts: readonly Part[]): Json => {
  const [first, ...others] = parts;
  if (!first) return null;
  if (others.length === 0) return partValue(first);
  const data = parts.filter((part) => part.content?.$case === 'data');
  const onlyData =
    data.length === 1 && parts.every((part) => part.content?.$case === 'data' || part.content?.$case === 'text');
  return onlyData && data[0] ? partValue(data[0]) : parts.map(partValue);
};

const textOf = (message: Message | undefined): string =>
  (message?.parts ?? [])
    .flatMap((part) => (part.content?.$case === 'text' ? [part.content.value] : []))
    .join('\n')
    .slice(0, 2_000);

/** What an agent may report about its failure in the metadata of its status message: `{code, retryable}`. */
const failureHints = (message: Message | undefined): { readonly code?: string; readonly retryable?: boolean } => {
  const { code, retryable } = message?.metadata ?? {};
  return {
    ...(typeof code === 'string' && /^[A-Z][A-Z0-9_]{0,99}$/.test(code) ? { code } : {}),
    ...(typeof retryable === 'boolean' ? { retryable } : {}),
  };
};

const agentSaid = (code: string, message: Message | undefined, retryable: boolean): TransportError => {
  const hints = failureHints(message);
  return new TransportError(hints.code ?? code, textOf(message) || 'the agent gave no reason', {
    source: 'agent',
    retryable: hints.retryable ?? retryable,
    outcomeKnown: true,
  });
};

/** Whether a task has ended, or waits for input that nobody will give. */
export const hasSettled = ({ status }: Pick<Task, 'status'>): boolean => {
  const state = status?.state;
  return state !== TaskState.TASK_STATE_SUBMITTED && state !== TaskState.TASK_STATE_WORKING;
};

/**
 * The result of a settled task: the parts of its artifacts, or of its status message when it has none.
 *
 * Errors: `TransportError` when it did not complete, or its state is unknown to A2A.
 */
export const resultOfTask = (task: Task): Json => {
  const { state, message } = task.status ?? {};
  switch (state) {
    case TaskState.TASK_STATE_COMPLETED: {
      const parts = task.artifacts.flatMap((artifact) => artifact.parts);
      return resultOfParts(parts.length > 0 ? parts : (message?.parts ?? []));
    }
    case TaskState.TASK_STATE_FAILED:
      throw agentSaid('AGENT_FAILED', message, true);
    case TaskState.TASK_STATE_REJECTED:
      throw agentSaid('AGENT_REJECTED', message, false);
    case TaskState.TASK_STATE_CANCELED:
      throw agentSaid('AGENT_CANCELED', message, true);
    case TaskState.TASK_STATE_INPUT_REQUIRED:
      throw agentSaid('AGENT_INPUT_REQUIRED', message, false);
    case TaskState.TASK_STATE_AUTH_REQUIRED:
      throw agentSaid('AGENT_AUTH_REQUIRED', message, false);
    default:
      throw badResponse('AGENT_PROTOCOL_ERROR', `the task is in a state that A2A 1.0 does not know: ${state}`);
  }
};

/** An agent's progress: the text of its status message, and `{percent, checkpoint}` in that message's metadata. */
export const progressOf = ({ status }: Pick<Task, 'status'>): ProgressInput | undefined => {
  const { percent, checkpoint } = status?.message?.metadata ?? {};
  const message = textOf(status?.message).slice(0, 1_000);
  const progress = {
    ...(message === '' ? {} : { message }),
    ...(typeof percent === 'number' ? { percent } : {}),
    ...(checkpoint === undefined ? {} : { checkpoint: checkpoint as Json }),
  };
  return Object.keys(progress).length === 0 ? undefined : progress;
};

export const isMessage = (answer: Task | Message): answer is Message => 'messageId' in answer;
