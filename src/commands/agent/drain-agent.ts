import { z } from 'zod';
import { text } from '../../domain/json.ts';
import { type Caller, type Commands, parseInput } from '../context.ts';
import { executeAgentCommand } from './agent-command.ts';

export const ReasonInput = z.strictObject({ reason: text({ max: 500 }).optional() });

/** Gives the agent no new work; what it holds may finish. */
export const drainAgent = (commands: Commands, caller: Caller, agentId: string, input: unknown = {}) => {
  const body = parseInput(ReasonInput, input);
  return executeAgentCommand(commands, caller, agentId, body, (now) => ({
    type: 'DrainAgent',
    now,
    ...(body.reason === undefined ? {} : { reason: body.reason }),
  }));
};
