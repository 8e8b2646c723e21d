import type { Discovery } from '../../domain/discovery/answer.ts';
import { FLEET_VERSION, Fleet } from '../../domain/discovery/fleet.ts';
import type { DiscoverAgentsInput } from '../../domain/discovery/query.ts';
import { agentStream, executionStream, poolStream, taskStream } from '../../domain/ids.ts';
import type { Position } from '../../eventstore/event-store.ts';
import type { Clock } from '../../platform/clock.ts';
import type { FoldDefinition, LeaderStatus } from '../leader.ts';
import { OwnFold, type OwnFoldDeps } from '../own-fold.ts';

/** An answer, and the position of the log that it reflects. */
export type Discovered = { readonly discovery: Discovery; readonly position: Position };

const foldFor = (tenant: string): FoldDefinition<Fleet> => {
  const prefixes = [agentStream, taskStream, executionStream, poolStream].map((streamOf) => streamOf(tenant, ''));
  return {
    name: 'fleet',
    version: FLEET_VERSION,
    start: () => new Fleet(),
    wants: ({ stream }) => prefixes.some((prefix) => stream.startsWith(prefix)),
  };
};

/** The agents of a tenant in the memory of each process that answers questions about them (docs/adr/0029). */
export class FleetWatch {
  readonly #fold: OwnFold<Fleet>;
  readonly #clock: Clock;
  #fleet: Fleet | undefined;

  constructor(deps: OwnFoldDeps) {
    this.#clock = deps.clock;
    const begin = (fleet: Fleet) => {
      this.#fleet = fleet;
      return {};
    };
    this.#fold = new OwnFold({ fold: foldFor(deps.tenant), begin }, deps);
  }

  /** Runs until `signal` aborts. */
  run(signal: AbortSignal): Promise<void> {
    return this.#fold.run(signal);
  }

  status(): LeaderStatus {
    return this.#fold.status();
  }

  /** Undefined while it does not know the log up to `atLeast`, or to what was its end when this process began. */
  discover(query: DiscoverAgentsInput, atLeast?: Position): Discovered | undefined {
    const { leading, position } = this.#fold.status();
    if (this.#fleet === undefined || !leading || position === undefined) return undefined;
    if (atLeast !== undefined && position < atLeast) return undefined;
    return { discovery: this.#fleet.discover(query, this.#clock.now()), position };
  }
}
