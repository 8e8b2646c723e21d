import type { TaskStatus } from '@a2a-js/sdk';
import { AgentEvent, type AgentExecutor, type ExecutionEventBus, type RequestContext } from '@a2a-js/sdk/server';
import { AgentError, type Call, type Handler, type Progress, type Received } from './call.ts';
import { Effects } from './effects.ts';
import * as wire from './wire.ts';

/** A call that takes longer than this becomes a task, which the caller can follow and cancel. In milliseconds. */
const SHORT_CALL_MS = 200;
/** What handlers have after their signal aborted when the agent stops, in milliseconds. */
const TIDY_MS = 1_000;

/** How a call is answered: in one message while nothing was said of it, as a task from then on. What comes after its end is dropped. */
class Answer {
  readonly #context: RequestContext;
  readonly #bus: ExecutionEventBus;
  #announced = false;
  #ended = false;

  constructor(context: RequestContext, bus: ExecutionEventBus) {
    this.#context = context;
    this.#bus = bus;
  }

  report(progress: Progress = {}): void {
    if (!this.#ended) this.#status(wire.working(this.#context, progress));
  }

  complete(result: unknown): void {
    if (!this.#end()) return;
    const { taskId, contextId } = this.#context;
    if (!this.#announced) {
      this.#bus.publish(AgentEvent.message(wire.answerOf(this.#context, result)));
      return;
    }
    const artifact = wire.artifactOf(result);
    this.#bus.publish(
      AgentEvent.artifactUpdate({ taskId, contextId, artifact, append: false, lastChunk: true, metadata: undefined }),
    );
    this.#status(wire.completed());
  }

  fail(error: unknown): void {
    if (this.#end()) this.#status(wire.failed(this.#context, error));
  }

  cancel(): void {
    if (this.#end()) this.#status(wire.canceled());
  }

  /** Whether this is the first end. */
  #end(): boolean {
    const first = !this.#ended;
    this.#ended = true;
    return first;
  }

  #status(status: TaskStatus): void {
    const { taskId, contextId } = this.#context;
    if (this.#announced) this.#bus.publish(AgentEvent.statusUpdate({ taskId, contextId, status, metadata: undefined }));
    else this.#bus.publish(AgentEvent.task(wire.taskOf(this.#context, status)));
    this.#announced = true;
  }
}

export type ExecutorOptions = {
  readonly name: string;
  readonly handlers: ReadonlyMap<string, Handler>;
  readonly dedupe: boolean;
  readonly onCall: ((call: Received) => void) | undefined;
};

/** Runs the handlers. */
export class HandlerExecutor implements AgentExecutor {
  readonly #options: ExecutorOptions;
  readonly #effects = new Effects();
  /** Calls at work, by the id of their task. */
  readonly #running = new Map<string, () => void>();
  #idle: (() => void) | undefined;

  constructor(options: ExecutorOptions) {
    this.#options = options;
  }

  readonly execute = async (context: RequestContext, bus: ExecutionEventBus): Promise<void> => {
    const answer = new Answer(context, bus);
    const abort = new AbortController();
    this.#running.set(context.taskId, () => {
      abort.abort();
      answer.cancel();
    });
    const announce = setTimeout(() => answer.report(), SHORT_CALL_MS);
    try {
      answer.complete(await this.#work(callOf(context, abort.signal, answer), wire.inputOf(context.userMessage)));
    } catch (error) {
      answer.fail(error);
    } finally {
      clearTimeout(announce);
      bus.finished();
      this.#running.delete(context.taskId);
      if (this.#running.size === 0) this.#idle?.();
    }
  };

  readonly cancelTask = async (taskId: string): Promise<void> => {
    this.#running.get(taskId)?.();
  };

  /** Calls at work. */
  get running(): number {
    return this.#running.size;
  }

  /** Resolves when no call is at work. What still is after `graceMs` is cancelled, and its handler has a moment to tidy up. */
  async drain(graceMs: number): Promise<void> {
    if (this.#running.size === 0) return;
    const idle = new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
    const within = (ms: number) => Promise.race([idle, new Promise((resolve) => setTimeout(resolve, ms).unref())]);
    await within(graceMs);
    for (const cancel of this.#running.values()) cancel();
    if (this.#running.size > 0) await within(TIDY_MS);
  }

  #work(call: Call, input: unknown): Promise<unknown> {
    const { name, handlers, dedupe, onCall } = this.#options;
    const { capability, effectKey, attempt, messageId } = call;
    const key = dedupe ? effectKey : undefined;
    const repeated = key !== undefined && this.#effects.knows(key);
    onCall?.({ capability, effectKey, attempt, messageId, repeated });
    const handler = handlers.get(capability);
    if (handler === undefined)
      throw new AgentError('UNKNOWN_SKILL', `${name} has no skill ${JSON.stringify(capability)}`);
    const work = async (): Promise<unknown> => handler(input, call);
    return key === undefined ? work() : this.#effects.once(key, work);
  }
}

const callOf = ({ userMessage }: RequestContext, signal: AbortSignal, answer: Answer): Call => {
  const { effectKey, attempt, capability, checkpoint } = userMessage.metadata ?? {};
  return {
    capability: String(capability),
    effectKey: typeof effectKey === 'string' ? effectKey : undefined,
    attempt: typeof attempt === 'number' ? attempt : 1,
    messageId: userMessage.messageId,
    checkpoint,
    signal,
    progress(report) {
      if (!signal.aborted) answer.report(report);
    },
  };
};
