import { agentCommand } from '../run.ts';
import { ReasonInput } from './drain-agent.ts';

/** Takes the agent out of its pool. Attempts it holds may still close; it may register again later. */
export const deregisterAgent = agentCommand(ReasonInput, (body, now) => ({
  type: 'DeregisterAgent',
  ...body,
  now,
}));
