import type { Result } from './result.ts';

/** What a command leads to. */
export type DecidedState<State, Event> = { readonly events: Event[]; readonly state: State };

/** The three pure functions of an aggregate (style 2.3). */
export type Decider<State, Command, Event, Rejection> = {
  readonly initialState: () => State;
  readonly decide: (command: Command, state: State) => Result<Event[], Rejection>;
  readonly evolve: (state: State, event: Event) => State;
  /** `decide` with the state after its events, for a decider that knows it anyway: they need not be folded a second time. */
  readonly decideAndEvolve?: (command: Command, state: State) => Result<DecidedState<State, Event>, Rejection>;
};
