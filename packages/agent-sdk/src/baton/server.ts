import type { Registration } from './options.ts';

/** Baton refuses what the agent asks for, and would refuse it again. */
export class BatonRefused extends Error {
  override readonly name = 'BatonRefused';
  /** Baton's code, such as BAD_USER_INPUT; NOT_BATON when the answer is that of something else. */
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** No agent of this id is registered. */
class AgentUnknown extends BatonRefused {}

/** Baton cannot be reached, or cannot do it at the moment. */
export class BatonAway extends Error {
  override readonly name = 'BatonAway';
}

/** What Baton knows of the agent, as far as the agent needs it. */
export type Known = {
  readonly heartbeatIntervalMs: number;
  readonly maxConcurrency: number;
  /** Tasks that Baton has given it and that have not ended. */
  readonly openTasks: number;
};

type Problem = {
  readonly code: string;
  readonly detail: string;
  readonly retryable?: boolean;
  readonly details?: { readonly reason?: unknown };
  readonly issues?: readonly { readonly code: string }[];
};

/** How long an answer may take, in milliseconds: for a registration Baton also fetches the card. */
const ANSWER_MS = 15_000;
/** The longest drain that Baton takes, in milliseconds. */
const LONGEST_DRAIN_MS = 86_400_000;
const MAY_PASS = new Set([408, 425, 429]);

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // not an answer of Baton, which the caller says
  }
};

const isProblem = (body: unknown): body is Problem => {
  const { code, detail } = (body ?? {}) as Partial<Problem>;
  return typeof code === 'string' && typeof detail === 'string';
};

/** A card that Baton could not fetch too: where a network opens only to what answers already, that takes a while. */
const mayPass = (status: number, { retryable, issues = [] }: Partial<Problem> = {}): boolean =>
  retryable || status >= 500 || MAY_PASS.has(status) || issues.some(({ code }) => code === 'AGENT_CARD_INVALID');

const isKnown = (body: unknown): body is Known => {
  const { heartbeatIntervalMs, maxConcurrency, openTasks } = (body ?? {}) as Partial<Known>;
  return [heartbeatIntervalMs, maxConcurrency, openTasks].every((value) => typeof value === 'number');
};

const reasonOf = (error: unknown): string => {
  const { name, message, cause } = error as Error & { readonly cause?: { readonly code?: string } };
  if (name === 'TimeoutError') return 'no answer in time';
  return cause?.code ?? message;
};

/** The calls of Baton's API that an agent makes about itself. Errors: all reject with `BatonRefused` or `BatonAway`. */
export class BatonServer {
  readonly #url: string;
  readonly #agent: string;

  constructor(url: string, agentId: string) {
    this.#url = url;
    this.#agent = encodeURIComponent(agentId);
  }

  /** Returns the position of the log at which the agent is registered. */
  async register(registration: Registration): Promise<string> {
    return this.#recorded(await this.#call('POST', '/api/v1/agents', registration));
  }

  /** @param atLeast position of the log that the answer must include */
  async show(atLeast?: string): Promise<Known> {
    const query = atLeast === undefined ? '' : `?atLeast=${atLeast}`;
    const agent = await this.#call('GET', `/api/v1/agents/${this.#agent}${query}`);
    if (isKnown(agent)) return agent;
    throw this.#isNoBaton('something else');
  }

  /**
   * Returns whether Baton knows the agent.
   *
   * @param answerMs how long the answer may take: the next one may do better
   */
  async heartbeat(load: number, answerMs: number): Promise<boolean> {
    return this.#known(this.#call('POST', `/agents/${this.#agent}/heartbeat`, { load }, answerMs));
  }

  /** As `heartbeat`. */
  async ready(): Promise<boolean> {
    return this.#known(this.#command('ready'));
  }

  /** Returns the position from which on the agent gets no new work; undefined when it got none before. */
  async drain(ms: number): Promise<string | undefined> {
    const limitMs = Math.min(Math.max(1, Math.ceil(ms)), LONGEST_DRAIN_MS);
    try {
      return this.#recorded(await this.#command('drain', { reason: 'the agent stops', limitMs }));
    } catch (error) {
      if (error instanceof BatonRefused) return undefined; // it is draining, or no longer registered
      throw error;
    }
  }

  /** As `heartbeat`. */
  async deregister(): Promise<boolean> {
    return this.#known(this.#command('deregister', { reason: 'the agent stops' }));
  }

  #command(verb: string, body?: object): Promise<unknown> {
    return this.#call('POST', `/api/v1/agents/${this.#agent}/${verb}`, body);
  }

  async #known(answer: Promise<unknown>): Promise<boolean> {
    try {
      await answer;
      return true;
    } catch (error) {
      if (error instanceof AgentUnknown) return false;
      throw error;
    }
  }

  #recorded(answer: unknown): string {
    const { position } = (answer ?? {}) as { readonly position?: unknown };
    if (typeof position === 'string') return position;
    throw this.#isNoBaton('something else');
  }

  async #call(method: 'GET' | 'POST', path: string, body?: object, answerMs = ANSWER_MS): Promise<unknown> {
    let response: Response;
    let text: string;
    try {
      response = await fetch(`${this.#url}${path}`, {
        method,
        signal: AbortSignal.timeout(Math.min(answerMs, ANSWER_MS)),
        ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      });
      text = await response.text();
    } catch (error) {
      throw new BatonAway(`cannot reach Baton at ${this.#url}: ${reasonOf(error)}`);
    }
    if (response.ok) return parsed(text);
    throw this.#failure(response.status, parsed(text));
  }

  #failure(status: number, body: unknown): Error {
    const problem = isProblem(body) ? body : undefined;
    if (mayPass(status, problem))
      return new BatonAway(`Baton at ${this.#url} cannot do it yet: ${problem?.detail ?? `status ${status}`}`);
    if (problem === undefined) return this.#isNoBaton(`status ${status}`);
    const isUnknown = problem.code === 'NOT_FOUND' || problem.details?.reason === 'AgentNotFound';
    const Refusal = isUnknown ? AgentUnknown : BatonRefused;
    return new Refusal(problem.code, `Baton at ${this.#url} refuses the agent: ${problem.detail}`);
  }

  #isNoBaton(answered: string): BatonRefused {
    return new BatonRefused(
      'NOT_BATON',
      `${this.#url} answered with ${answered}, as no Baton server does: check the address`,
    );
  }
}
