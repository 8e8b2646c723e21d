import { END_REASONS, type EndReason, givenUpAdvice, givenUpText } from '../../../wording/given-up.ts';
import { lastFailure, type TaskGivenUp } from '../../reads/given-up.ts';
import type { Builder } from '../kit/builder.ts';
import { enumValues } from '../kit/enums.ts';
import type { AttemptType } from './attempts.ts';

export const addGivenUpType = (builder: Builder, TaskAttempt: AttemptType) => {
  const GivenUpReason = builder.enumType('GivenUpReason', {
    values: enumValues(Object.keys(END_REASONS) as EndReason[]),
  });
  return builder.objectRef<TaskGivenUp>('TaskGivenUp').implement({
    description: 'Why a task ended without a result, and what can be done about it.',
    fields: (t) => ({
      reason: t.expose('reason', { type: GivenUpReason }),
      message: t.string({ resolve: givenUpText }),
      advice: t.string({ resolve: givenUpAdvice }),
      attempts: t.exposeInt('attempts', { description: 'Attempts that had ended.' }),
      lastFailure: t.field({
        type: TaskAttempt,
        nullable: true,
        description: 'The last attempt that failed; null when none had failed before the deadline.',
        resolve: ({ taskId }, _, context) => lastFailure(taskId, context),
      }),
    }),
  });
};
