import { z } from 'zod';
import { agentCommand } from '../run.ts';

const NoInput = z.strictObject({});

/** The agent says that it is ready for work; nothing to record when it does not warm up. */
export const reportAgentReady = agentCommand(NoInput, (_, now) => ({ type: 'EndWarmUp', by: 'agent', now }));

/** The time is up that the agent had named for its warm-up. */
export const endWarmUp = agentCommand(NoInput, (_, now) => ({ type: 'EndWarmUp', by: 'limit', now }));
