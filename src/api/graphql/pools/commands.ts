import type { Accepted as AcceptedCommand } from '../../../commands/context.ts';
import { pausePool, resumePool } from '../../../commands/pool/pause-pool.ts';
import type { PoolRejection } from '../../../domain/admission/pool-control.ts';
import { POOL_REASONS } from '../../../wording/rejections.ts';
import type { Builder } from '../kit/builder.ts';
import { callerFor, KEY, withoutNulls } from '../kit/command-field.ts';
import { addOutcome } from '../kit/outcome.ts';

const addPoolOutcome = (builder: Builder) =>
  addOutcome<AcceptedCommand, PoolRejection>(builder, {
    subject: 'Pool',
    recorded: 'always',
    accepted: (t) => ({ pool: t.id({ resolve: ({ id }) => id }) }),
    reasons: POOL_REASONS,
    facts: { since: { from: 'since', type: 'DateTime' } },
  });

export const addPoolCommands = (builder: Builder): void => {
  const { payload, outcomeOf } = addPoolOutcome(builder);
  builder.mutationFields((t) => {
    const args = {
      pool: t.arg.id({ required: true }),
      reason: t.arg.string(),
      idempotencyKey: t.arg.string(KEY),
    };
    return {
      pausePool: t.field({
        type: payload('PausePoolPayload'),
        description: 'Gives no task of the pool to an agent any more; what agents hold goes on.',
        args,
        resolve: async (_, { pool, reason, ...key }, context, info) => {
          await context.pools.expect(pool);
          return outcomeOf(
            await pausePool(context.commands, callerFor(context, key, info), pool, withoutNulls({ reason })),
          );
        },
      }),
      resumePool: t.field({
        type: payload('ResumePoolPayload'),
        description: 'Gives the tasks of a paused pool to agents again.',
        args,
        resolve: async (_, { pool, reason, ...key }, context, info) => {
          await context.pools.expect(pool);
          return outcomeOf(
            await resumePool(context.commands, callerFor(context, key, info), pool, withoutNulls({ reason })),
          );
        },
      }),
    };
  });
};
