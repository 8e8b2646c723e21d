import type { Result } from './result.ts';

/** The three pure functions of an aggregate (style 2.3). */
export type Decider<State, Command, Event, Rejection> = {
  readonly initialState: () => State;
  readonly decide: (command: Command, state: State) => Result<Event[], Rejection>;
  readonly evolve: (state: State, event: Event) => State;
};
