import type { Agent } from '../../domain/agent/decider.ts';
import type { Json } from '../../domain/json.ts';
import type { ProgressInput } from '../../domain/task/commands.ts';
import type { AttemptError } from '../../domain/task/events.ts';

export type RegisteredAgent = Extract<Agent, { status: 'active' | 'draining' }>;

/** What an agent is asked to do. */
export type Invocation = {
  readonly tenant: string;
  readonly agent: RegisteredAgent;
  readonly taskId: string;
  readonly attempt: number;
  readonly capability: string;
  readonly input: Json;
  /** Where an earlier attempt left off. */
  readonly checkpoint: unknown;
  /** The same for every delivery of this attempt. */
  readonly messageId: string;
  /** The same for every attempt: an agent that dedupes applies its effect once per key. */
  readonly effectKey: string;
  /** Aborted with a `CallAborted`. */
  readonly signal: AbortSignal;
  /** The agent's own id of the work, from an earlier delivery of this attempt: continue with it instead of asking again. */
  readonly remoteTaskId: string | undefined;
  /** Stores the agent's own id of the work for a later delivery. */
  onRemoteTask(id: string): void;
  onProgress(progress: ProgressInput): void;
};

/** A way to call agents. Errors: throws `TransportError`, and only that, except for bugs. */
export interface AgentTransport {
  invoke(invocation: Invocation): Promise<Json>;
}

/** Why a call was ended before the answer came. */
export type AbortReason =
  /** The attempt's time is up. */
  | 'timeout'
  /** The attempt was closed elsewhere: cancelled, expired, or answered by a late duplicate. */
  | 'closed'
  /** This process stops, and another one takes the job over. */
  | 'shutdown';

/** The abort reason of a call's signal. */
export class CallAborted extends Error {
  override readonly name = 'CallAborted';
  readonly reason: AbortReason;
  constructor(reason: AbortReason) {
    super(`the call was ended: ${reason}`);
    this.reason = reason;
  }
}

export type TransportErrorOptions = {
  readonly source: AttemptError['source'];
  readonly retryable: boolean;
  /** False: the request was sent, and it is not known whether it took effect. */
  readonly outcomeKnown: boolean;
  /** The request never reached the agent. */
  readonly unreached?: boolean;
  /** The agent asks not to be called again before this has passed. */
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
};

/** Thrown when a call gave no usable result. `code` is stable; the message may quote the agent. */
export class TransportError extends Error {
  override readonly name = 'TransportError';
  readonly code: string;
  readonly source: AttemptError['source'];
  readonly retryable: boolean;
  readonly outcomeKnown: boolean;
  readonly unreached: boolean;
  readonly retryAfterMs: number | undefined;
  constructor(code: string, message: string, options: TransportErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.source = options.source;
    this.retryable = options.retryable;
    this.outcomeKnown = options.outcomeKnown;
    this.unreached = options.unreached ?? false;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** The agent answered, but the answer is unusable. It may have done its work. Trying again may help: agents are not deterministic. */
export const badResponse = (code: string, message: string, cause?: unknown): TransportError =>
  new TransportError(code, message, { source: 'agent', retryable: true, outcomeKnown: false, cause });
