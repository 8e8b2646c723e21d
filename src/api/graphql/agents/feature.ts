import type { Kit } from '../kit/kit.ts';
import { addAgentCommands } from './commands.ts';
import { addAgentQueries } from './queries.ts';
import { addAgentSubscriptions } from './subscriptions.ts';
import { type AgentTypes, addAgentTypes } from './types.ts';

export const addAgents = ({ builder, enums, shared, addConnection }: Kit): AgentTypes => {
  const agents = addAgentTypes(builder, enums, shared);
  addAgentQueries(builder, enums, agents, addConnection);
  addAgentCommands(builder, enums, agents);
  addAgentSubscriptions(builder, agents);
  return agents;
};
