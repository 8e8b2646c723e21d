import { ATTEMPT_OUTCOMES, type TaskAttemptRow } from '../../../projections/task-attempts/table.ts';
import type { AgentTypes } from '../agents/types.ts';
import type { Builder } from '../kit/builder.ts';
import { enumValues } from '../kit/enums.ts';
import type { SharedTypes } from '../kit/shared-types.ts';

export const addAttemptType = (
  builder: Builder,
  { Money, AttemptError }: SharedTypes,
  { Agent, loadAgent }: AgentTypes,
) => {
  const AttemptOutcome = builder.enumType('AttemptOutcome', { values: enumValues(ATTEMPT_OUTCOMES) });
  return builder.objectRef<TaskAttemptRow>('TaskAttempt').implement({
    description: 'One attempt of a task.',
    fields: (t) => ({
      attempt: t.exposeInt('attempt'),
      outcome: t.expose('outcome', { type: AttemptOutcome }),
      agentId: t.exposeID('agentId', { nullable: true }),
      agent: t.field({
        type: Agent,
        nullable: true,
        resolve: ({ agentId }, _, context) => (agentId === null ? null : loadAgent(context, agentId)),
      }),
      assignedAt: t.expose('assignedAt', { type: 'DateTime', nullable: true }),
      startedAt: t.expose('startedAt', { type: 'DateTime', nullable: true }),
      expiresAt: t.expose('expiresAt', { type: 'DateTime', nullable: true }),
      endedAt: t.expose('endedAt', { type: 'DateTime', nullable: true }),
      durationMs: t.exposeFloat('durationMs', { nullable: true }),
      error: t.expose('error', { type: AttemptError, nullable: true }),
      cost: t.expose('cost', { type: Money, nullable: true }),
      position: t.expose('position', {
        type: 'Position',
        description: 'Position of its assignment, or of its end if it was never assigned.',
      }),
    }),
  });
};

export type AttemptType = ReturnType<typeof addAttemptType>;
