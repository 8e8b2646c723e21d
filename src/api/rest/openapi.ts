import { OpenAPIRegistry, OpenApiGeneratorV31, zodToOpenAPIRegistry } from '@asteasolutions/zod-to-openapi';
import { z } from 'zod';
import { CancelExecutionInput, PauseExecutionInput } from '../../domain/execution/commands.ts';
import { TaskDefinition, WorkflowDefinition } from '../../domain/workflow/definition.ts';
import { ExecutionStatusView } from './execution-status.ts';
import {
  ExecuteWorkflowInput,
  ExecutionAccepted,
  OPERATIONS,
  type Operation,
  Problem,
  PublishedWorkflow,
  REST_PATH,
} from './operations.ts';

type Route = Parameters<OpenAPIRegistry['registerPath']>[0];
type Responses = Route['responses'];

/** Schemas that have a name in the document: the same ones that validate requests. */
const NAMED = {
  CancelExecution: CancelExecutionInput,
  ExecuteWorkflow: ExecuteWorkflowInput,
  ExecutionAccepted,
  ExecutionStatus: ExecutionStatusView,
  PauseExecution: PauseExecutionInput,
  Problem,
  PublishedWorkflow,
  TaskDefinition,
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
  503: 'A store cannot be reached; retry after `Retry-After`',
};

const DESCRIPTION = `Workflows over REST. Errors are problem documents (RFC 9457) with the same codes as in GraphQL.

Events of one execution, live and from any position on: \`WS /ws/workflows/{executionId}?from=<position>\`. The first frame is
\`{type: "hello", executionId, position}\`, every other one \`{position, revision, type, at, data, summary}\`; to resume, pass
the last \`position\` you received. The socket stays open when the execution ends. A reader that is too slow is closed with 1013.`;

const IdempotencyKey = z.object({
  'Idempotency-Key': z
    .string()
    .min(1)
    .max(255)
    .optional()
    .meta({ description: 'Sending the same key and body again returns the same answer and records nothing more.' }),
});

const contentOf = (schema: z.ZodType, types: readonly string[] = ['application/json']) =>
  Object.fromEntries(types.map((type) => [type, { schema }]));

const problem = (description: string) => ({
  description,
  content: contentOf(Problem, ['application/problem+json']),
});

const responsesOf = ({ success, refusals }: Operation): Responses => ({
  [success.status]: success.schema
    ? { description: success.description, content: contentOf(success.schema) }
    : problem(success.description),
  ...Object.fromEntries(refusals.map((status) => [status, problem(REFUSALS[status] ?? 'Refused')])),
});

const requestOf = ({ path, target, query, body }: Operation): NonNullable<Route['request']> => {
  const name = /\{(\w+)\}/.exec(path)?.[1];
  return {
    ...(name === undefined || target === undefined ? {} : { params: z.object({ [name]: target }) }),
    ...(query === undefined ? {} : { query }),
    ...(body === undefined ? {} : { headers: IdempotencyKey }),
    ...(body === undefined
      ? {}
      : {
          body: {
            required: body.required,
            content: contentOf(body.schema, body.yaml ? ['application/json', 'application/yaml'] : undefined),
          },
        }),
  };
};

const routeOf = (operation: Operation): Route => ({
  method: operation.method,
  path: `${REST_PATH}${operation.path}`,
  operationId: operation.id,
  summary: operation.summary,
  tags: [operation.path.split('/')[1] ?? ''],
  ...(operation.description === undefined ? {} : { description: operation.description }),
  request: requestOf(operation),
  responses: responsesOf(operation),
});

/** The OpenAPI 3.1 document of the REST endpoints. */
export const openApiDocument = (version: string) => {
  for (const [refId, schema] of Object.entries(NAMED)) zodToOpenAPIRegistry.add(schema, { _internal: { refId } });
  const registry = new OpenAPIRegistry();
  for (const operation of OPERATIONS) registry.registerPath(routeOf(operation));
  return new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: '3.1.0',
    info: { title: 'Baton', version, description: DESCRIPTION },
    servers: [{ url: '/' }],
  });
};
