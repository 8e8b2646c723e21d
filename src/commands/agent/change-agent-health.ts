import { z } from 'zod';
import { Health } from '../../domain/agent/events.ts';
import { text } from '../../domain/json.ts';
import { type Caller, type Commands, parseInput } from '../context.ts';
import { executeAgentCommand } from './agent-command.ts';

const ChangeAgentHealthInput = z.strictObject({ to: Health, reason: text({ min: 1, max: 500 }) });

/** Records a change of health; the same health again records nothing. */
export const changeAgentHealth = (commands: Commands, caller: Caller, agentId: string, input: unknown) => {
  const body = parseInput(ChangeAgentHealthInput, input);
  return executeAgentCommand(commands, caller, agentId, body, (now) => ({ type: 'ChangeAgentHealth', ...body, now }));
};
