import { expect } from 'vitest';
import type { Decider } from '../../src/domain/decider.ts';

/** What a decider answered, for one assertion. */
export type Answer<Event, Rejection> = {
  /** Exactly these events, in this order. */
  thenEvents(...events: readonly Event[]): void;
  /** Accepted, and nothing to record. */
  thenNothing(): void;
  thenRejected(rejection: Rejection): void;
  /** The events of an accepted command, for a closer look. */
  readonly events: Event[];
};

export type Given<State, Command, Event, Rejection> = {
  when(command: Command): Answer<Event, Rejection>;
  readonly state: State;
};

/** Sentences over a decider: `order.given(placed).when(ship).thenEvents(shipped)`. */
export const specOf = <State, Command, Event, Rejection>(decider: Decider<State, Command, Event, Rejection>) => ({
  given(...history: readonly Event[]): Given<State, Command, Event, Rejection> {
    const state = history.reduce(decider.evolve, decider.initialState());
    return {
      state,
      when(command) {
        const decision = decider.decide(command, state);
        return {
          thenEvents: (...events) => expect(decision).toEqual({ ok: true, value: events }),
          thenNothing: () => expect(decision).toEqual({ ok: true, value: [] }),
          thenRejected: (rejection) => expect(decision).toEqual({ ok: false, rejection }),
          get events() {
            if (!decision.ok) throw new Error(`rejected: ${JSON.stringify(decision.rejection)}`);
            return decision.value;
          },
        };
      },
    };
  },
});
