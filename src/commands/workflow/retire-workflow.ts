import { z } from 'zod';
import { text } from '../../domain/json.ts';
import { workflowCommand } from '../run.ts';

export const RetireWorkflowInput = z.strictObject({
  version: z.string().min(1).max(100),
  reason: text({ max: 1_000 }).optional(),
});

const retire = (type: 'DeprecateWorkflow' | 'ArchiveWorkflow') =>
  workflowCommand(RetireWorkflowInput, (body, now) => ({ type, ...body, now }));

/** New executions no longer take this version unless they name it; those that run go on. */
export const deprecateWorkflow = retire('DeprecateWorkflow');

/** No new executions of this version; those that run go on. */
export const archiveWorkflow = retire('ArchiveWorkflow');
