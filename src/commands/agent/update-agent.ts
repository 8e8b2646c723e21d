import { UpdateAgentInput } from '../../domain/agent/commands.ts';
import { type Caller, type Commands, parseInput } from '../context.ts';
import { executeAgentCommand } from './agent-command.ts';

/** Changes the named fields of an agent's profile. */
export const updateAgent = (commands: Commands, caller: Caller, agentId: string, input: unknown) => {
  const changes = parseInput(UpdateAgentInput, input);
  return executeAgentCommand(commands, caller, agentId, changes, (now) => ({ type: 'UpdateAgent', changes, now }));
};
