import { UpdateAgentInput } from '../../domain/agent/commands.ts';
import { agentCommand } from '../run.ts';

/** Changes the named fields of an agent's profile. */
export const updateAgent = agentCommand(UpdateAgentInput, (changes, now) => ({
  type: 'UpdateAgent',
  changes,
  now,
}));
