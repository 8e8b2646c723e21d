import { agentCommand } from '../run.ts';
import { ReasonInput } from './reason-input.ts';

/** Takes the agent out. Attempts that it holds may still be answered. */
export const deregisterAgent = agentCommand(ReasonInput, (body, now) => ({
  type: 'DeregisterAgent',
  ...body,
  now,
}));

/** Takes out an agent that is gone: the attempts that it holds are given up. */
export const deregisterLostAgent = agentCommand(ReasonInput, (body, now) => ({
  type: 'DeregisterAgent',
  ...body,
  callsLost: true,
  now,
}));
