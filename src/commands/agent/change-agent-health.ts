import { z } from 'zod';
import { Health } from '../../domain/agent/events.ts';
import { text } from '../../domain/json.ts';
import { agentCommand } from '../run.ts';

const ChangeAgentHealthInput = z.strictObject({ to: Health, reason: text({ min: 1, max: 500 }) });

/** Records a change of health; the same health again records nothing. */
export const changeAgentHealth = agentCommand(ChangeAgentHealthInput, (body, now) => ({
  type: 'ChangeAgentHealth',
  ...body,
  now,
}));

/** Records that an agent is silent: it gets no work, and the attempts that it holds are given up. */
export const silenceAgent = agentCommand(ChangeAgentHealthInput.pick({ reason: true }), (body, now) => ({
  type: 'ChangeAgentHealth',
  to: 'unhealthy',
  ...body,
  callsLost: true,
  now,
}));
