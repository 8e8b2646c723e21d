import { OpenAPIRegistry, OpenApiGeneratorV31, zodToOpenAPIRegistry } from '@asteasolutions/zod-to-openapi';
import { z } from 'zod';
import { RegisterAgentInput, UpdateAgentInput } from '../../domain/agent/commands.ts';
import {
  CancelExecutionInput,
  DecideStepInput,
  ForkExecutionInput,
  PauseExecutionInput,
  RetryExecutionInput,
  SignalExecutionInput,
  SkipStepInput,
} from '../../domain/execution/commands.ts';
import { SubmitTaskInput } from '../../domain/task/commands.ts';
import { TaskDefinition, WorkflowDefinition } from '../../domain/workflow/definition.ts';
import { AgentView } from './agents.ts';
import { ExecutionStatusView } from './execution-status.ts';
import { ExecuteWorkflowInput, ExecutionStarted } from './executions.ts';
import { ExecutionAccepted } from './on-execution.ts';
import { type Operation, Problem, REST_PATH } from './operation.ts';
import { OPERATIONS } from './operations.ts';
import { MAX_WAIT_SECONDS } from './prefer.ts';
import { pathsOf } from './router.ts';
import { EndedTask, TaskSubmitted } from './tasks.ts';
import { TaskView } from './tasks-read.ts';
import { PublishedWorkflow } from './workflows.ts';

type Route = Parameters<OpenAPIRegistry['registerPath']>[0];
type Responses = Route['responses'];

/** Schemas that have a name in the document: the same ones that validate requests. */
const NAMED = {
  Agent: AgentView,
  CancelExecution: CancelExecutionInput,
  DecideStep: DecideStepInput,
  EndedTask,
  ExecuteWorkflow: ExecuteWorkflowInput,
  ExecutionAccepted,
  ExecutionStarted,
  ExecutionStatus: ExecutionStatusView,
  ForkExecution: ForkExecutionInput,
  PauseExecution: PauseExecutionInput,
  Problem,
  PublishedWorkflow,
  RegisterAgent: RegisterAgentInput,
  RetryExecution: RetryExecutionInput,
  SignalExecution: SignalExecutionInput,
  SkipStep: SkipStepInput,
  SubmitTask: SubmitTaskInput,
  Task: TaskView,
  TaskDefinition,
  TaskSubmitted,
  UpdateAgent: UpdateAgentInput,
  WorkflowDefinition,
} as const satisfies Record<string, z.ZodType>;

const REFUSALS: Readonly<Record<number, string>> = {
  400: 'Bad input; `issues` lists each problem with its place',
  403: 'From a page of another site',
  404: 'Not found',
  409: 'Rejected: see `details.reason`; or too many writers (CONFLICT, retryable)',
  413: 'The body is too large',
  415: 'Another content type, or a compressed body',
  422: 'The idempotency key was used with another body',
  503: 'A store cannot be reached, a read model lags, or too many requests wait; retry after `Retry-After`',
};

const DESCRIPTION = `Tasks, agents and workflows over REST. Errors are problem documents (RFC 9457) with the same codes as in GraphQL.

The examples are a story: on a server that has just been set up, each works after those before it.

Events of one execution, live and from any position on: \`WS /ws/workflows/{executionId}?from=<position>\`. The first frame is
\`{type: "hello", executionId, position}\`, every other one \`{position, revision, type, at, data, summary}\`; to resume, pass
the last \`position\` you received. The socket stays open when the execution ends. A reader that is too slow is closed with 1013.`;

const withExample = (schema: z.ZodType, example: string | readonly string[] | undefined): z.ZodType =>
  example === undefined ? schema : schema.meta({ param: { example } });

const headersOf = ({ body, waits, example }: Operation): z.ZodObject | undefined => {
  const key = z
    .string()
    .min(1)
    .max(255)
    .optional()
    .meta({ description: 'Sending the same key and body again returns the same answer and records nothing more.' });
  const prefer = z
    .string()
    .optional()
    .meta({
      description: `With \`wait=30\` the answer comes when it has ended, or after 30 seconds; at most ${MAX_WAIT_SECONDS}. \`Preference-Applied\` confirms it (RFC 7240).`,
    });
  const headers = {
    ...(body === undefined ? {} : { 'Idempotency-Key': withExample(key, example.key) }),
    ...(waits === undefined ? {} : { Prefer: prefer }),
  };
  return Object.keys(headers).length === 0 ? undefined : z.object(headers);
};

const contentOf = (schema: z.ZodType, types: readonly string[] = ['application/json'], example?: unknown) =>
  Object.fromEntries(types.map((type) => [type, { schema, ...(example === undefined ? {} : { example }) }]));

const problem = (description: string) => ({
  description,
  content: contentOf(Problem, ['application/problem+json']),
});

const responsesOf = ({ success, refusals, waits }: Operation): Responses => ({
  ...(waits && success.schema ? { 200: { description: waits.done, content: contentOf(success.schema) } } : {}),
  [success.status]: success.schema
    ? { description: success.description, content: contentOf(success.schema) }
    : problem(success.description),
  ...Object.fromEntries(refusals.map((status) => [status, problem(REFUSALS[status] ?? 'Refused')])),
});

const queryOf = ({ query, example }: Operation): z.ZodObject | undefined =>
  query &&
  z.object(
    Object.fromEntries(
      Object.entries(query.shape).map(([name, schema]) => [
        name,
        withExample(schema as z.ZodType, example.query?.[name]),
      ]),
    ),
  );

const requestOf = (operation: Operation, path: string): NonNullable<Route['request']> => {
  const { target, body, example } = operation;
  const name = /\{(\w+)\}/.exec(path)?.[1];
  const query = queryOf(operation);
  const headers = headersOf(operation);
  return {
    ...(name === undefined || target === undefined
      ? {}
      : { params: z.object({ [name]: withExample(target, example.target) }) }),
    ...(query === undefined ? {} : { query }),
    ...(headers === undefined ? {} : { headers }),
    ...(body === undefined
      ? {}
      : {
          body: {
            required: body.required,
            content: contentOf(
              body.schema,
              body.yaml ? ['application/json', 'application/yaml'] : undefined,
              example.body,
            ),
          },
        }),
  };
};

const routeOf = (operation: Operation, path: string): Route => ({
  method: operation.method,
  path: `${REST_PATH}${path}`,
  // An id names one route: the second path does the same.
  ...(path === operation.path ? { operationId: operation.id } : {}),
  summary: operation.summary,
  tags: [operation.path.split('/')[1] ?? ''],
  ...(operation.description === undefined ? {} : { description: operation.description }),
  request: requestOf(operation, path),
  responses: responsesOf(operation),
});

/** The OpenAPI 3.1 document of the REST endpoints. */
export const openApiDocument = (version: string) => {
  for (const [refId, schema] of Object.entries(NAMED)) zodToOpenAPIRegistry.add(schema, { _internal: { refId } });
  const registry = new OpenAPIRegistry();
  for (const operation of OPERATIONS)
    for (const path of pathsOf(operation)) registry.registerPath(routeOf(operation, path));
  return new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: '3.1.0',
    info: { title: 'Baton', version, description: DESCRIPTION },
    servers: [{ url: '/' }],
  });
};
