import { z } from 'zod';
import { text } from '../../domain/json.ts';
import { taskCommand } from '../run.ts';

export const CancelTaskInput = z.strictObject({ reason: text({ max: 1_000 }).optional() });

/** Ends a task at once; an attempt that runs is told to stop and its answer no longer counts. */
export const cancelTask = taskCommand(CancelTaskInput, (body, now) => ({ type: 'CancelTask', ...body, now }));
