/** How many destination failures in a row open a breaker (requirements 1.1). Lower, and an agent is left alone for bad luck. */
export const FAILURES_IN_ROW = 5;

/** A breaker opens also when this share of at least so many calls has failed, among the last hundred since it was closed. */
const FAILURE_RATE = 0.5;
const MIN_CALLS = 10;
const WINDOW = 100;

/** How long an open breaker lets no call through. Shorter, and an agent that is down costs more tries. */
export const OPEN_MS = 60_000;

/** How many tries in a row must succeed before the agent gets work as usual again. */
const SUCCESSES_TO_CLOSE = 2;

export const BREAKER_STATES = ['closed', 'open', 'half_open'] as const;
export type BreakerState = (typeof BREAKER_STATES)[number];

/** Why a breaker changes: the first three open it, the fourth lets one call through, the last closes it. */
export const BREAKER_CAUSES = [
  'failures_in_row',
  'failure_rate',
  'probe_failed',
  'open_time_over',
  'probes_succeeded',
] as const;
export type BreakerCause = (typeof BREAKER_CAUSES)[number];

/** What is counted of the calls to an agent for one capability. Changed in place. */
export type Circuit = {
  state: BreakerState;
  /** Attempts that the agent holds for the capability. */
  held: number;
  /** Failures since the last call that was answered. */
  inRow: number;
  /** Calls counted since it was last closed, and the numbers of those that failed among the last hundred. */
  calls: number;
  failed: number[];
  /** While it is open: no call before then. */
  untilMs?: number | undefined;
  /** While it is half open: the task whose attempt is the one call, whether such a call has failed, how many have succeeded. */
  probe?: string | undefined;
  probeFailed?: boolean | undefined;
  successes?: number | undefined;
};

export type CircuitChange = {
  readonly to: BreakerState;
  readonly cause: BreakerCause;
  /** Failures that led to it, and of how many calls they were. */
  readonly failures: number;
  readonly calls: number;
};

export const newCircuit = (): Circuit => ({ state: 'closed', held: 0, inRow: 0, calls: 0, failed: [] });

/** Whether the agent gets no call for the capability: its breaker is open, or half open and one call is under way. */
export const keepsOut = ({ state, held }: Pick<Circuit, 'state' | 'held'>): boolean =>
  state === 'open' || (state === 'half_open' && held > 0);

/** A call has ended: the destination failed, or it answered, whatever its answer says. Calls from before a breaker opened no longer count. */
export const countCall = (circuit: Circuit, taskId: string, failed: boolean): void => {
  if (circuit.state === 'open') return;
  if (circuit.state === 'half_open') {
    if (circuit.probe !== taskId) return;
    if (failed) circuit.probeFailed = true;
    else circuit.successes = (circuit.successes ?? 0) + 1;
    return;
  }
  circuit.calls += 1;
  circuit.inRow = failed ? circuit.inRow + 1 : 0;
  if (failed) circuit.failed.push(circuit.calls);
  while ((circuit.failed[0] ?? Number.POSITIVE_INFINITY) <= circuit.calls - WINDOW) circuit.failed.shift();
};

const opening = ({ inRow, calls, failed }: Circuit): CircuitChange | undefined => {
  if (inRow >= FAILURES_IN_ROW) return { to: 'open', cause: 'failures_in_row', failures: inRow, calls: inRow };
  const counted = Math.min(calls, WINDOW);
  return counted >= MIN_CALLS && failed.length >= FAILURE_RATE * counted
    ? { to: 'open', cause: 'failure_rate', failures: failed.length, calls: counted }
    : undefined;
};

/** The change that is due; undefined when there is none. */
export const dueChange = (circuit: Circuit, nowMs: number): CircuitChange | undefined => {
  switch (circuit.state) {
    case 'closed':
      return opening(circuit);
    case 'open':
      return nowMs >= (circuit.untilMs ?? 0)
        ? { to: 'half_open', cause: 'open_time_over', failures: 0, calls: 0 }
        : undefined;
    case 'half_open': {
      const { probeFailed, successes = 0 } = circuit;
      if (probeFailed) return { to: 'open', cause: 'probe_failed', failures: 1, calls: successes + 1 };
      return successes >= SUCCESSES_TO_CLOSE
        ? { to: 'closed', cause: 'probes_succeeded', failures: 0, calls: successes }
        : undefined;
    }
  }
};

/** Puts the circuit into that state, with nothing counted since. */
export const enterState = (circuit: Circuit, state: BreakerState, atMs: number): void => {
  Object.assign(circuit, newCircuit(), { held: circuit.held, state });
  circuit.untilMs = state === 'open' ? atMs + OPEN_MS : undefined;
  circuit.probe = undefined;
  circuit.probeFailed = undefined;
  circuit.successes = undefined;
};
