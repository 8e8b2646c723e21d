import { z } from 'zod';
import type { Accepted } from '../../commands/context.ts';
import type { ExecutionRejection } from '../../domain/execution/decision.ts';
import { ExecutionId } from '../../domain/ids.ts';
import type { Result } from '../../domain/result.ts';
import { COMMAND_REFUSALS, type Operation, operation, RECORDED, REST_PATH, type Requested } from './operation.ts';
import { acceptedByExecution } from './rejection.ts';

export const ExecutionAccepted = z.strictObject({ executionId: ExecutionId, ...RECORDED });
export const executionAccepted = ({ id, position, repeated }: Accepted): z.output<typeof ExecutionAccepted> => ({
  executionId: id,
  position: String(position),
  repeated,
});

export const statusPath = (executionId: string): string => `${REST_PATH}/workflows/${executionId}/status`;

type Command = (
  commands: Requested['commands'],
  caller: Requested['caller'],
  executionId: string,
  body: unknown,
) => Promise<Result<Accepted, ExecutionRejection>>;

type ExecutionCommand = Pick<Operation, 'id' | 'summary' | 'description' | 'example'> & {
  /** What follows the execution in the path. */
  readonly verb: string;
  readonly schema: z.ZodType;
  /** Some member of the body has to be there. */
  readonly required?: boolean;
  /** The command only begins something: `Location` is where its end can be seen. */
  readonly begins?: boolean;
  readonly alsoUnderWorkflows?: boolean;
  readonly success: string;
  readonly command: Command;
};

/** A command of one execution. */
export const onExecution = (declared: ExecutionCommand): Operation => {
  const {
    verb,
    schema,
    required = false,
    begins = false,
    alsoUnderWorkflows,
    success,
    command,
    ...documented
  } = declared;
  return operation({
    ...documented,
    method: 'post',
    path: `/executions/{id}/${verb}`,
    ...(alsoUnderWorkflows ? { alsoAt: `/workflows/{id}/${verb}` } : {}),
    target: ExecutionId,
    body: { schema, required },
    success: { status: begins ? 202 : 200, description: success, schema: ExecutionAccepted },
    refusals: COMMAND_REFUSALS,
    run: async ({ commands, caller, target, body }) => ({
      body: executionAccepted(acceptedByExecution(await command(commands, caller, target.toLowerCase(), body))),
      ...(begins ? { location: statusPath(target) } : {}),
    }),
  });
};
