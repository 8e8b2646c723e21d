import { type Caller, type Commands, parseInput } from '../context.ts';
import { executeAgentCommand } from './agent-command.ts';
import { ReasonInput } from './drain-agent.ts';

/** Takes the agent out of its pool. Attempts it holds may still close; it may register again later. */
export const deregisterAgent = (commands: Commands, caller: Caller, agentId: string, input: unknown = {}) => {
  const body = parseInput(ReasonInput, input);
  return executeAgentCommand(commands, caller, agentId, body, (now) => ({
    type: 'DeregisterAgent',
    now,
    ...(body.reason === undefined ? {} : { reason: body.reason }),
  }));
};
