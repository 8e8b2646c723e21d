import type { Json } from '../../domain/json.ts';
import type { ProgressInput } from '../../domain/task/commands.ts';
import { type AgentTransport, type Invocation, TransportError } from './transport.ts';

/** What a local agent's function gets besides its input. */
type LocalCall = {
  readonly taskId: string;
  readonly attempt: number;
  readonly capability: string;
  /** The same for every attempt: use it to apply an effect once. */
  readonly effectKey: string;
  /** Aborted when the answer no longer counts. */
  readonly signal: AbortSignal;
  /** Where an earlier attempt left off, as it reported it. */
  readonly checkpoint: unknown;
  reportProgress(progress: ProgressInput): void;
};

export type LocalAgentFunction = (input: Json, call: LocalCall) => Json | Promise<Json>;

/**
 * Thrown by a local agent's function to name its failure; anything else that it throws counts as `AGENT_FAILED`, retryable.
 */
export class AgentFailure extends Error {
  override readonly name = 'AgentFailure';
  readonly code: string;
  readonly retryable: boolean;
  constructor(code: string, message: string, options: { readonly retryable?: boolean; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? true;
  }
}

type Listener = (agent: LocalAgentRef) => void;

export type LocalAgentRef = { readonly tenant: string; readonly agentId: string };

const keyOf = ({ tenant, agentId }: LocalAgentRef): string => `${tenant}.${agentId}`;

/** The functions of this process that are agents. */
export class LocalAgents {
  readonly #functions = new Map<string, LocalAgentRef & { readonly fn: LocalAgentFunction; readonly places: number }>();
  /** Those that other processes have too. */
  readonly #shared = new Set<string>();
  readonly #listeners = new Set<Listener>();

  /**
   * Makes `fn` the agent's function in this process; replaces an earlier one.
   *
   * @param places calls of it at once in this process
   */
  register(agent: LocalAgentRef, fn: LocalAgentFunction, places = Number.POSITIVE_INFINITY): void {
    const isNew = !this.#functions.has(keyOf(agent));
    this.#functions.set(keyOf(agent), { ...agent, fn, places });
    if (isNew) for (const listener of this.#listeners) listener(agent);
  }

  find(agent: LocalAgentRef): LocalAgentFunction | undefined {
    return this.#functions.get(keyOf(agent))?.fn;
  }

  placesOf(agent: LocalAgentRef): number {
    return this.#functions.get(keyOf(agent))?.places ?? 0;
  }

  /** Other processes have the function too, or no longer. */
  setShared(agent: LocalAgentRef, shared: boolean): void {
    if (shared) this.#shared.add(keyOf(agent));
    else this.#shared.delete(keyOf(agent));
  }

  isOnlyHere(agent: LocalAgentRef): boolean {
    return this.#functions.has(keyOf(agent)) && !this.#shared.has(keyOf(agent));
  }

  /** Calls back for every agent registered so far and from now on. Returns the way to stop. */
  onRegistered(listener: Listener): () => void {
    this.#listeners.add(listener);
    for (const { tenant, agentId } of this.#functions.values()) listener({ tenant, agentId });
    return () => this.#listeners.delete(listener);
  }
}

const isPromise = <T>(value: T | Promise<T>): value is Promise<T> =>
  typeof (value as { readonly then?: unknown } | null)?.then === 'function';

/** The answer; rejects with the signal's reason when the signal aborts first. */
const orAborted = async <T>(answer: Promise<T>, signal: AbortSignal): Promise<T> => {
  let release = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    release = () => signal.removeEventListener('abort', onAbort);
  });
  try {
    return await Promise.race([answer, aborted]);
  } finally {
    release();
  }
};

/** What was thrown, in words. Anything can be thrown, also what has no text. */
const wordsOf = (thrown: unknown): string => {
  try {
    return String(thrown instanceof Error ? thrown.message : thrown);
  } catch {
    return 'the function threw something that has no text';
  }
};

const failureOf = (error: unknown): TransportError => {
  const known = error instanceof AgentFailure;
  return new TransportError(known ? error.code : 'AGENT_FAILED', wordsOf(error), {
    source: 'agent',
    retryable: known ? error.retryable : true,
    outcomeKnown: true,
    cause: error,
  });
};

/** Calls functions of this process. A function that ignores its signal keeps running, and its answer is dropped. */
export class LocalTransport implements AgentTransport {
  readonly #agents: LocalAgents;

  constructor(agents: LocalAgents) {
    this.#agents = agents;
  }

  async invoke(invocation: Invocation): Promise<Json> {
    const { tenant, agent, signal, input } = invocation;
    const fn = this.#agents.find({ tenant, agentId: agent.agentId });
    if (!fn)
      throw new TransportError('AGENT_NOT_HERE', `no function is registered for local agent ${agent.agentId}`, {
        source: 'baton',
        retryable: true,
        outcomeKnown: true,
      });
    signal.throwIfAborted();
    try {
      const answer = fn(input, callOf(invocation));
      return isPromise(answer) ? await orAborted(answer, signal) : answer;
    } catch (error) {
      throw signal.aborted && error === signal.reason ? error : failureOf(error);
    }
  }
}

const callOf = (invocation: Invocation): LocalCall => ({
  taskId: invocation.taskId,
  attempt: invocation.attempt,
  capability: invocation.capability,
  effectKey: invocation.effectKey,
  signal: invocation.signal,
  checkpoint: invocation.checkpoint,
  reportProgress: invocation.onProgress,
});
