import { agentCommand } from '../run.ts';
import { ReasonInput } from './reason-input.ts';

/** Gives an agent that drains new work again. */
export const undrainAgent = agentCommand(ReasonInput, (body, now) => ({ type: 'UndrainAgent', ...body, now }));
