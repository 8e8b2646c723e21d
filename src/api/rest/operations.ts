import { z } from 'zod';
import { type Accepted, type Caller, type Commands, parseInput } from '../../commands/context.ts';
import { cancelExecution } from '../../commands/execution/cancel-execution.ts';
import { pauseExecution } from '../../commands/execution/pause-execution.ts';
import { resumeExecution } from '../../commands/execution/resume-execution.ts';
import { startExecution } from '../../commands/execution/start-execution.ts';
import { publishWorkflow } from '../../commands/workflow/publish-workflow.ts';
import { CancelExecutionInput, PauseExecutionInput, StartExecutionInput } from '../../domain/execution/commands.ts';
import { ExecutionId, executionStream, WorkflowName } from '../../domain/ids.ts';
import { WorkflowDefinition } from '../../domain/workflow/definition.ts';
import type { Position } from '../../eventstore/event-store.ts';
import { notFound } from '../../platform/errors.ts';
import type { CallerOf } from '../edge/caller.ts';
import { PositionText } from '../edge/query-string.ts';
import { EdgeError } from '../errors.ts';
import { ExecutionStatusView, executionStatusOf } from './execution-status.ts';
import { acceptedByExecution, acceptedByWorkflow } from './rejection.ts';

export const REST_PATH = '/api/v1';

export type RestContext = {
  readonly callerOf: CallerOf;
  readonly commands: Commands;
  /** Position up to which this process has seen the log: its cached executions are at least as new. */
  readonly seen: () => Position;
};

/** A request as an operation gets it: `body` is JSON that passed the scanner, but no schema yet. */
type Requested = {
  readonly caller: Caller;
  /** The path's parameter. */
  readonly target: string;
  readonly query: Readonly<Record<string, string>>;
  readonly body: unknown;
};

type Answer = { readonly body: unknown; readonly location?: string };

/** One endpoint: its route, its documentation and what it does. */
export type Operation = {
  readonly method: 'get' | 'post';
  /** With at most one parameter. */
  readonly path: string;
  readonly id: string;
  readonly summary: string;
  readonly description?: string;
  /** Schema of the path's parameter. */
  readonly target?: z.ZodType;
  readonly query?: z.ZodObject;
  readonly body?: { readonly schema: z.ZodType; readonly required: boolean; readonly yaml?: boolean };
  readonly success: { readonly status: number; readonly description: string; readonly schema?: z.ZodType };
  /** Statuses of refusals. */
  readonly refusals: readonly number[];
  readonly run: (context: RestContext, request: Requested) => Promise<Answer>;
};

/** The workflow is named by the path. */
export const ExecuteWorkflowInput = StartExecutionInput.omit({ workflow: true });
const ResumeExecutionInput = z.strictObject({});

const Issue = z.strictObject({
  pointer: z.string().meta({ description: 'JSON pointer into the body, or `/` and the name of a parameter.' }),
  code: z.string(),
  message: z.string(),
});

export const PublishedWorkflow = z.strictObject({
  name: WorkflowName,
  version: z.string(),
  digest: z.string().meta({ description: 'SHA-256 of the canonical form of the definition, in hex.' }),
  position: PositionText,
  repeated: z.boolean().meta({ description: 'This content was published before; nothing was recorded.' }),
  warnings: z.array(Issue).meta({ description: 'What is allowed, but probably not intended.' }),
});

export const ExecutionAccepted = z.strictObject({
  executionId: ExecutionId,
  position: PositionText.meta({ description: 'Pass it as `atLeast` to see the effect.' }),
  repeated: z.boolean().meta({ description: 'The same idempotency key was used before; nothing was recorded.' }),
});

/** RFC 9457. */
export const Problem = z.strictObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  instance: z.string(),
  code: z.string(),
  retryable: z.boolean(),
  issues: z.array(Issue).optional(),
  details: z
    .record(z.string(), z.unknown())
    .optional()
    .meta({ description: 'Includes `reason` when the code is REJECTED.' }),
});

const executionAccepted = ({ id, position, repeated }: Accepted): z.output<typeof ExecutionAccepted> => ({
  executionId: id,
  position: String(position),
  repeated,
});

const statusPath = (executionId: string): string => `${REST_PATH}/workflows/${executionId}/status`;

/** What a command of an execution can be refused with. */
const COMMAND_REFUSALS = [400, 403, 404, 409, 413, 415, 422, 503] as const;

const publish: Operation = {
  method: 'post',
  path: '/workflows',
  id: 'publishWorkflow',
  summary: 'Publish a version of a workflow',
  description:
    'Publishing the same content again changes nothing. Other content under an existing version is refused with VersionTaken.',
  body: { schema: WorkflowDefinition, required: true, yaml: true },
  success: { status: 201, description: 'Published', schema: PublishedWorkflow },
  refusals: [400, 409, 413, 415, 422, 503],
  async run({ commands }, { caller, body }) {
    const { name, version, digest, position, repeated, warnings } = acceptedByWorkflow(
      await publishWorkflow(commands, caller, body),
    );
    return {
      body: {
        name,
        version,
        digest,
        position: String(position),
        repeated,
        warnings: [...warnings],
      } satisfies z.output<typeof PublishedWorkflow>,
    };
  },
};

const execute: Operation = {
  method: 'post',
  path: '/workflows/{name}/execute',
  id: 'executeWorkflow',
  summary: 'Start an execution of a workflow',
  description: 'Without `version`, the newest release that is neither deprecated nor archived.',
  target: WorkflowName,
  body: { schema: ExecuteWorkflowInput, required: false },
  success: { status: 202, description: 'Started; `Location` is its status', schema: ExecutionAccepted },
  refusals: COMMAND_REFUSALS,
  async run({ commands }, { caller, target, body }) {
    const input = { ...parseInput(ExecuteWorkflowInput, body), workflow: target };
    const started = acceptedByExecution(await startExecution(commands, caller, input));
    return { body: executionAccepted(started), location: statusPath(started.id) };
  },
};

const status: Operation = {
  method: 'get',
  path: '/workflows/{id}/status',
  id: 'executionStatus',
  summary: 'Status of an execution',
  description: 'Read from the execution’s own stream, not from a read model.',
  target: ExecutionId,
  query: z.strictObject({
    atLeast: PositionText.optional().meta({
      description: 'Position of a command whose effect the answer must include.',
    }),
  }),
  success: { status: 200, description: 'The execution', schema: ExecutionStatusView },
  refusals: [400, 404, 503],
  async run({ commands, seen }, { caller, target, query }) {
    if (!ExecutionId.safeParse(target).success) throw notFound('execution', JSON.stringify(target));
    const fresh = BigInt(query['atLeast'] ?? '0') > seen();
    const execution = await commands.executions.load(executionStream(caller.tenant, target), { fresh });
    if (execution.status === 'none') throw notFound('execution', target);
    return { body: executionStatusOf(execution, commands.clock.now()) };
  },
};

type ControlOptions = Pick<Operation, 'id' | 'summary' | 'description' | 'success'> & {
  readonly verb: 'pause' | 'resume' | 'cancel';
  readonly schema: z.ZodType;
  /** The command only begins something: `Location` is where its end can be seen. */
  readonly begins?: boolean;
  readonly command: typeof pauseExecution | typeof cancelExecution;
};

/** A command about the course of one execution. */
const control = ({ verb, schema, begins = false, command, ...documented }: ControlOptions): Operation => ({
  ...documented,
  method: 'post',
  path: `/workflows/{id}/${verb}`,
  target: ExecutionId,
  body: { schema, required: false },
  refusals: COMMAND_REFUSALS,
  run: async ({ commands }, { caller, target, body }) => ({
    body: executionAccepted(acceptedByExecution(await command(commands, caller, target, body))),
    ...(begins ? { location: statusPath(target) } : {}),
  }),
});

const pause = control({
  verb: 'pause',
  id: 'pauseExecution',
  summary: 'Pause an execution',
  description: 'Nothing new starts; agents finish the tasks they hold.',
  schema: PauseExecutionInput,
  success: { status: 200, description: 'Paused', schema: ExecutionAccepted },
  command: pauseExecution,
});

const resume = control({
  verb: 'resume',
  id: 'resumeExecution',
  summary: 'Resume a paused execution',
  schema: ResumeExecutionInput,
  success: { status: 200, description: 'Resumed', schema: ExecutionAccepted },
  command: async (commands, caller, target, body) => {
    parseInput(ResumeExecutionInput, body);
    return resumeExecution(commands, caller, target);
  },
});

const cancel = control({
  verb: 'cancel',
  id: 'cancelExecution',
  summary: 'End an execution',
  description:
    'Agents are told to stop. With `compensate`, completed steps are compensated; that is refused once a pivot has completed.',
  schema: CancelExecutionInput,
  success: { status: 202, description: 'Being cancelled; `Location` is its status', schema: ExecutionAccepted },
  begins: true,
  command: cancelExecution,
});

const registerPattern: Operation = {
  method: 'post',
  path: '/patterns',
  id: 'registerPattern',
  summary: 'Register a coordination pattern (not built yet)',
  description:
    'Always answers 501 NOT_IMPLEMENTED without reading the request. A definition names one of the built-in patterns.',
  success: { status: 501, description: 'Not built yet' },
  refusals: [],
  async run() {
    throw new EdgeError(
      'NOT_IMPLEMENTED',
      'registering patterns is not built yet: a definition’s `pattern` names a built-in one',
    );
  },
};

export const OPERATIONS: readonly Operation[] = [publish, execute, status, pause, resume, cancel, registerPattern];
