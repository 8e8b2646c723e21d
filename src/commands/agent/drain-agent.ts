import { DrainAgentInput } from '../../domain/agent/commands.ts';
import { agentCommand } from '../run.ts';

/** Gives the agent no new work; what it holds may finish within the limit. */
export const drainAgent = agentCommand(DrainAgentInput, (body, now) => ({ type: 'DrainAgent', ...body, now }));
