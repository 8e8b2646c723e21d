/** What an agent reports while it works. */
export type Progress = {
  readonly message?: string;
  /** 0 to 100. */
  readonly percent?: number;
  /** JSON. The next attempt of the task receives the last one, so that it can go on from there. */
  readonly checkpoint?: unknown;
};

/** What a handler receives in addition to its input. */
export type Call = {
  /** The skill that was called. */
  readonly capability: string;
  /** The same in every attempt of a task; undefined when the caller is not Baton. */
  readonly effectKey: string | undefined;
  /** 1, 2, … */
  readonly attempt: number;
  /** The same in every delivery of this attempt. */
  readonly messageId: string;
  /** The last checkpoint that an earlier attempt reported. */
  readonly checkpoint: unknown;
  /** Aborts when the answer no longer counts: the call was cancelled, or the agent stops and its time to finish is over. */
  readonly signal: AbortSignal;
  progress(report: Progress): void;
};

/** A call as an agent's own record has it. */
export type Received = Pick<Call, 'capability' | 'effectKey' | 'attempt' | 'messageId'> & {
  /** Whether the effect key is known already, so that the work is not done again. */
  readonly repeated: boolean;
};

/**
 * Does the work of one skill. The result is JSON. Errors: an `AgentError` is reported as it is; anything else that is thrown counts as a
 * failure that may pass, and the caller may try again.
 */
// biome-ignore lint/suspicious/noExplicitAny: a handler says itself what shape its input has
export type Handler = (input: any, call: Call) => unknown;

/** A failure with a code, which the caller records. */
export class AgentError extends Error {
  override readonly name = 'AgentError';
  /** Capitals and underscores. */
  readonly code: string;
  /** Whether another attempt may succeed; not by default. */
  readonly retryable: boolean;
  constructor(code: string, message: string, { retryable = false }: { readonly retryable?: boolean } = {}) {
    super(message);
    this.code = code;
    this.retryable = retryable;
  }
}
