import { type AgentTransport, type Invocation, TransportError } from '../../../src/dispatch/transports/transport.ts';
import type { Json } from '../../../src/domain/json.ts';
import type { AgentCall } from '../../../src/invariants/invariants.ts';
import type { Dice } from '../executions-definitions.ts';
import { rightTime, type SimProcess } from './process.ts';
import type { Timeline } from './timeline.ts';

/** How often an agent does what, of 100 calls; otherwise it answers. */
export type Manners = {
  fails: number;
  isCutOff: number;
  hangs: number;
  answersDeep: number;
  answersLarge: number;
  /** Of the time until it answers. */
  mostMs: number;
};

export const WELL_BEHAVED: Manners = { fails: 0, isCutOff: 0, hangs: 0, answersDeep: 0, answersLarge: 0, mostMs: 900 };

const LARGE_CHARACTERS = 60_000;
/** As deep as a result may be. */
const DEEPEST = 64;

const nested = (levels: number): Json => {
  let value: Json = 'core';
  for (let level = 0; level < levels; level += 1) value = [value];
  return value;
};

/** A call, beside its journal: what became of it as far as Baton can know. */
export type SimCall = AgentCall & {
  /** The agent itself said that it failed, so that another attempt may be made whatever its delivery class. */
  reportedFailure: boolean;
  /** The log held the assignment when the call came. */
  readonly wasAssigned: boolean;
};

type IsAssigned = (call: { taskId: string; attempt: number; agentId: string }) => boolean;

/** The agents of the simulated world. They do what their dice say, and keep a journal. */
export class SimAgents {
  readonly calls: SimCall[] = [];
  manners: Manners = { ...WELL_BEHAVED };
  readonly #timeline: Timeline;
  readonly #dice: Dice;
  readonly #isAssigned: IsAssigned;

  constructor(timeline: Timeline, dice: Dice, isAssigned: IsAssigned) {
    this.#timeline = timeline;
    this.#dice = dice;
    this.#isAssigned = isAssigned;
  }

  transportFor(process: SimProcess): AgentTransport {
    return {
      invoke: (invocation) =>
        new Promise<Json>((resolve, reject) => {
          const { signal } = invocation;
          if (signal.aborted) return reject(signal.reason);
          signal.addEventListener('abort', () => reject(signal.reason), { once: true });
          // The request is under way whatever becomes of the process.
          this.#timeline.after(1, undefined, () => this.#called(process, invocation, resolve, reject));
        }),
    };
  }

  #called(
    process: SimProcess,
    { tenant, agent: { agentId }, taskId, attempt }: Invocation,
    resolve: (result: Json) => void,
    reject: (error: unknown) => void,
  ): void {
    const at = new Date(rightTime(this.#timeline)).toISOString();
    const wasAssigned = this.#isAssigned({ taskId, attempt, agentId });
    const call: SimCall = { tenant, agentId, taskId, attempt, at, reportedFailure: false, wasAssigned };
    this.calls.push(call);
    const answer = (settle: () => void): void => {
      this.#timeline.after(10 + this.#dice.below(this.manners.mostMs), process, settle);
    };
    const { fails, isCutOff, hangs, answersDeep, answersLarge } = this.manners;
    let roll = this.#dice.below(100);
    const is = (share: number): boolean => {
      const hit = roll >= 0 && roll < share;
      roll -= share;
      return hit;
    };
    if (is(fails)) {
      call.reportedFailure = true;
      const retryable = this.#dice.chance(0.7);
      const options = { source: 'agent' as const, retryable, outcomeKnown: true };
      answer(() => reject(new TransportError('AGENT_FAILED', 'the agent failed', options)));
    } else if (is(isCutOff)) {
      const options = { source: 'destination' as const, retryable: true, outcomeKnown: false };
      answer(() => reject(new TransportError('AGENT_UNREACHABLE', 'the connection was cut', options)));
    } else if (is(hangs)) return;
    else if (is(answersDeep)) answer(() => resolve(nested(DEEPEST)));
    else if (is(answersLarge)) answer(() => resolve('x'.repeat(LARGE_CHARACTERS)));
    else answer(() => resolve({ by: agentId }));
  }
}
