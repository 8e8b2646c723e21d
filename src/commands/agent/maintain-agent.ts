import { agentCommand } from '../run.ts';
import { ReasonInput } from './reason-input.ts';

/** Keeps the agent from new work until `endMaintenance`, also when it registers again. */
export const startMaintenance = agentCommand(ReasonInput, (body, now) => ({ type: 'StartMaintenance', ...body, now }));

export const endMaintenance = agentCommand(ReasonInput, (body, now) => ({ type: 'EndMaintenance', ...body, now }));
