import type { Kit } from '../kit/kit.ts';
import { addAgentCommands } from './commands.ts';
import { addAgentDiscovery } from './discovery.ts';
import { addHealthSummary } from './health-summary.ts';
import { addAgentInputs } from './inputs.ts';
import { addAgentQueries } from './queries.ts';
import { addAgentSubscriptions } from './subscriptions.ts';
import { type AgentTypes, addAgentTypes } from './types.ts';

export const addAgents = ({ builder, enums, errors, shared, addConnection }: Kit): AgentTypes => {
  const agents = addAgentTypes(builder, enums, shared);
  const inputs = addAgentInputs(builder, enums);
  addAgentQueries(builder, enums, agents, addConnection);
  addAgentDiscovery(builder, enums, agents, inputs);
  addHealthSummary(builder);
  addAgentCommands(builder, inputs, agents, errors);
  addAgentSubscriptions(builder, agents);
  return agents;
};
