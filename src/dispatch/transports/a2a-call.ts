import type { Message, SendMessageRequest, StreamResponse, Task } from '@a2a-js/sdk';
import type { Client, RequestOptions } from '@a2a-js/sdk/client';
import type { Json } from '../../domain/json.ts';
import type { ProgressInput } from '../../domain/task/commands.ts';
import { type Clock, sleep } from '../../platform/clock.ts';
import type { Logger } from '../../platform/logger.ts';
import { afterSending, failureOfCall } from './a2a-errors.ts';
import { hasSettled, isMessage, progressOf, resultOfParts, resultOfTask } from './a2a-result.ts';
import { StreamedTask } from './a2a-stream.ts';
import { badResponse, CallAborted, type Invocation, TransportError } from './transport.ts';

const FIRST_POLL_MS = 50;
const MAX_POLL_MS = 2_000;
/** Polls that may fail in a row: an agent that restarts keeps the tasks it has stored. */
const MAX_FAILED_POLLS = 5;
/** A task that ends sooner costs no round trip to store its id. */
const NOTE_TASK_AFTER_MS = 200;
const CANCEL_TIMEOUT_MS = 5_000;
/** Stored with the job. */
const MAX_TASK_ID = 1_000;

export type A2aCallOptions = {
  readonly client: Client;
  readonly invocation: Invocation;
  /** The card says that the agent streams. */
  readonly streaming: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
};

/**
 * One attempt's exchange with an agent: sends the message, and when the answer is an unfinished task, watches it to its end, by its stream
 * or else by polling. With a task id from an earlier delivery nothing is sent: that task is watched.
 */
export class A2aCall {
  readonly #options: A2aCallOptions;
  readonly #request: RequestOptions;
  #taskId: string | undefined;
  #lastStatus: Task['status'];
  #lastReported = '';
  #streaming: boolean;
  #failedPolls = 0;
  #pollMs = FIRST_POLL_MS;
  #cancelNote: () => void = () => {};

  constructor(options: A2aCallOptions) {
    this.#options = options;
    this.#request = { signal: options.invocation.signal };
    this.#streaming = options.streaming;
    this.#taskId = options.invocation.remoteTaskId;
  }

  async run(message: SendMessageRequest): Promise<Json> {
    const { signal } = this.#options.invocation;
    try {
      signal.throwIfAborted();
      const answer = await this.#settle(this.#taskId === undefined ? await this.#send(message) : undefined);
      return isMessage(answer) ? resultOfParts(answer.parts) : resultOfTask(answer);
    } catch (error) {
      const failure = signal.aborted ? (signal.reason as unknown) : this.#failureOf(error);
      if (this.#taskId !== undefined && isPointless(failure)) void this.#askToStop(this.#taskId);
      throw failure;
    } finally {
      this.#cancelNote();
    }
  }

  #failureOf(error: unknown): TransportError {
    const failure = failureOfCall(error);
    const { taskId } = this.#options.invocation;
    if (failure.code === 'AGENT_PROTOCOL_ERROR')
      this.#options.logger.debug({ err: error, taskId }, 'an agent broke the protocol');
    return failure;
  }

  async #send(message: SendMessageRequest): Promise<Task | Message> {
    const { client } = this.#options;
    if (this.#streaming) return this.#consume(client.sendMessageStream(message, this.#request));
    const answer = await client.sendMessage(message, this.#request);
    if (!isMessage(answer)) this.#saw(answer);
    return answer;
  }

  /** Watches until the answer is final. */
  async #settle(first: Task | Message | undefined): Promise<Task | Message> {
    let answer = first;
    while (answer === undefined || (!isMessage(answer) && !hasSettled(answer))) answer = await this.#watch(answer);
    return answer;
  }

  /** A newer state of the task than `task`, or the same one. */
  async #watch(task: Task | undefined): Promise<Task | Message | undefined> {
    const { client, clock, invocation } = this.#options;
    const id = this.#taskId as string;
    if (this.#streaming) {
      this.#streaming = false; // once; when the stream ends before the task does, it is polled
      try {
        return await this.#consume(client.resubscribeTask({ tenant: '', id }, this.#request), task);
      } catch (error) {
        if (invocation.signal.aborted) throw error;
      }
    }
    if (task) await sleep(clock, this.#pollMs, invocation.signal);
    this.#pollMs = Math.min(this.#pollMs * 2, MAX_POLL_MS);
    return (await this.#poll(id)) ?? task;
  }

  /** The task as the agent has it now; undefined when the agent could not be asked and must be asked again. */
  async #poll(id: string): Promise<Task | undefined> {
    const { client, clock, invocation } = this.#options;
    invocation.signal.throwIfAborted();
    try {
      const task = await client.getTask({ tenant: '', id, historyLength: 0 }, this.#request);
      this.#failedPolls = 0;
      this.#saw(task);
      return task;
    } catch (error) {
      if (invocation.signal.aborted) throw error;
      const failure = afterSending(failureOfCall(error));
      this.#failedPolls += 1;
      if (failure.source !== 'destination' || this.#failedPolls >= MAX_FAILED_POLLS) throw failure;
      await sleep(clock, Math.max(this.#pollMs, failure.retryAfterMs ?? 0), invocation.signal);
      return undefined;
    }
  }

  /** Reads a stream to its end, or to the end of the task. When the stream breaks off, the task stays as read so far. */
  async #consume(stream: AsyncIterable<StreamResponse>, start?: Task): Promise<Task | Message> {
    const streamed = new StreamedTask(start);
    try {
      for await (const update of stream) {
        const message = streamed.apply(update);
        if (message) return message;
        const { state } = streamed;
        if (!state) continue;
        this.#saw(state);
        if (hasSettled(state)) break;
      }
    } catch (error) {
      const failure = failureOfCall(error);
      const brokenOff = failure.source === 'destination' || failure.source === 'timeout';
      if (!streamed.task || !brokenOff || this.#options.invocation.signal.aborted) throw error;
    }
    if (!streamed.task) throw badResponse('AGENT_PROTOCOL_ERROR', 'the stream ended without an event');
    return streamed.task;
  }

  #saw({ id, status }: Pick<Task, 'id' | 'status'>): void {
    const { clock, invocation } = this.#options;
    if (this.#taskId === undefined) {
      if (id === '') throw badResponse('AGENT_PROTOCOL_ERROR', 'the answer is a task without an id');
      if (id.length > MAX_TASK_ID)
        throw badResponse('AGENT_PROTOCOL_ERROR', `the id of the task has more than ${MAX_TASK_ID} characters`);
      this.#taskId = id;
      this.#cancelNote = clock.schedule(NOTE_TASK_AFTER_MS, () => invocation.onRemoteTask(id));
    } else if (id !== this.#taskId)
      throw badResponse('AGENT_PROTOCOL_ERROR', 'the answer names another task than the one that was asked for');
    // An artifact in many pieces brings the same status with each of them.
    if (status === this.#lastStatus) return;
    this.#lastStatus = status;
    if (!hasSettled({ status })) this.#report(progressOf({ status }));
  }

  #report(progress: ProgressInput | undefined): void {
    const text = JSON.stringify(progress) ?? '';
    if (progress === undefined || text === this.#lastReported) return;
    this.#lastReported = text;
    this.#options.invocation.onProgress(progress);
  }

  /** Asks the agent to stop. This is only a request: its answer changes nothing. */
  async #askToStop(id: string): Promise<void> {
    const { client, invocation, logger } = this.#options;
    try {
      const signal = AbortSignal.timeout(CANCEL_TIMEOUT_MS);
      await client.cancelTask({ tenant: '', id, metadata: undefined }, { signal });
    } catch (error) {
      logger.debug({ err: error, taskId: invocation.taskId }, 'an agent did not accept the request to cancel');
    }
  }
}

/** Whether the agent can stop. At shutdown it must go on: another process takes the job over and asks for the same task. */
const isPointless = (failure: unknown): boolean =>
  failure instanceof CallAborted
    ? failure.reason !== 'shutdown'
    : failure instanceof TransportError &&
      (failure.code === 'AGENT_INPUT_REQUIRED' || failure.code === 'AGENT_AUTH_REQUIRED');
