import { z } from 'zod';
import { text } from '../../domain/json.ts';
import { agentCommand } from '../run.ts';

export const ReasonInput = z.strictObject({ reason: text({ max: 500 }).optional() });

/** Gives the agent no new work; what it holds may finish. */
export const drainAgent = agentCommand(ReasonInput, (body, now) => ({ type: 'DrainAgent', ...body, now }));
