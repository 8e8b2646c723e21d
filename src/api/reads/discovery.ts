import { parseInput } from '../../commands/context.ts';
import { discoverAmong } from '../../domain/discovery/answer.ts';
import { DiscoverAgentsInput } from '../../domain/discovery/query.ts';
import type { Position } from '../../eventstore/event-store.ts';
import type { Discovered } from '../../processes/fleet/fleet-watch.ts';
import { candidateOf, getRegisteredAgents } from '../../projections/agents/candidates.ts';
import type { ReadContext } from './context.ts';
import type { Reads } from './reads.ts';

/** The same answer as from memory, from the read models. */
export const discoverInReadModels = async (
  reads: Reads,
  query: DiscoverAgentsInput,
  nowMs: number,
): Promise<Discovered> => {
  const { value: agents, position } = await getRegisteredAgents(reads.pool, reads.tenant, query.pool);
  reads.reflected(position);
  const candidates = await Promise.all(
    agents.map(async (agent) => {
      const [open, rest, pausedUntilMs, breakers] = await Promise.all([
        reads.openTasks.load(agent.agentId),
        reads.restOf(agent),
        reads.pauseEndOf(agent),
        reads.breakersOf(agent),
      ]);
      const openBreakers = breakers.filter(({ state }) => state === 'open').map(({ capability }) => capability);
      return candidateOf(agent, { open, unreachable: rest !== undefined, pausedUntilMs, openBreakers });
    }),
  );
  return { discovery: discoverAmong(candidates, query, nowMs), position: reads.asOf ?? position };
};

/**
 * The agents that fit, and why the others were left out. From memory where that knows enough of the log, else from the read models.
 *
 * Errors: `AppError` `BAD_USER_INPUT`, and those of reading.
 */
export const discoverAgents = async (
  { commands, reads, fleet }: Pick<ReadContext, 'commands' | 'reads' | 'fleet'>,
  input: unknown,
  atLeast?: Position | null,
): Promise<Discovered> => {
  const query = parseInput(DiscoverAgentsInput, input);
  const known = fleet.discover(query, atLeast ?? undefined);
  if (known !== undefined) {
    reads.reflected(known.position);
    return known;
  }
  reads.atLeast(atLeast);
  return discoverInReadModels(reads, query, commands.clock.now());
};
