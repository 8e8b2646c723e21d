import { z } from 'zod';
import { WorkflowName, workflowStream } from '../../domain/ids.ts';
import { text } from '../../domain/json.ts';
import { ok, type Result } from '../../domain/result.ts';
import type { WorkflowRejection } from '../../domain/workflow/decider.ts';
import { notFound } from '../../platform/errors.ts';
import { type Accepted, type Caller, type Commands, contextOf, parseInput } from '../context.ts';

const RetireWorkflowInput = z.strictObject({
  version: z.string().min(1).max(100),
  reason: text({ max: 1_000 }).optional(),
});

const retire =
  (type: 'DeprecateWorkflow' | 'ArchiveWorkflow') =>
  async (
    commands: Commands,
    caller: Caller,
    name: string,
    input: unknown,
  ): Promise<Result<Accepted, WorkflowRejection>> => {
    if (!WorkflowName.safeParse(name).success) throw notFound('workflow', JSON.stringify(name));
    const body = parseInput(RetireWorkflowInput, input);
    const now = new Date(commands.clock.now()).toISOString();
    const result = await commands.workflows.execute({
      stream: workflowStream(caller.tenant, name),
      command: { type, ...body, now },
      context: contextOf(commands, caller, `${type}/${name}`, body),
      at: now,
    });
    if (!result.ok && result.rejection.reason === 'WorkflowNotFound') throw notFound('workflow', name);
    if (!result.ok) return result;
    const { position, repeated, events } = result.value;
    if (position === undefined) throw notFound('workflow', name);
    return ok({ id: name, position, repeated: repeated || events.length === 0 });
  };

/** New executions no longer take this version unless they name it; those that run go on. */
export const deprecateWorkflow = retire('DeprecateWorkflow');

/** No new executions of this version; those that run go on. */
export const archiveWorkflow = retire('ArchiveWorkflow');
