import { extname } from 'node:path';
import { type AgentProcess, type SpawnOptions, spawnAgent } from '../agent/spawn-agent.ts';

export const CARBON_AGENTS = ['emission-factors', 'calculator', 'validator'] as const;
export type CarbonAgentName = (typeof CARBON_AGENTS)[number];
export type CarbonAgent = AgentProcess & { readonly name: CarbonAgentName };

/** Run from source, it starts sources; run from dist, it starts dist. */
const EXTENSION = extname(import.meta.url);

/** Starts one of the carbon agents. Errors: those of `spawnAgent`. */
export const spawnCarbonAgent = async (name: CarbonAgentName, options: SpawnOptions = {}): Promise<CarbonAgent> => {
  const script = new URL(`./agents/${name}${EXTENSION}`, import.meta.url);
  return { name, ...(await spawnAgent(script, options)) };
};
