import type { GraphQLSchema } from 'graphql';
import { createYoga } from 'graphql-yoga';
import type { Logger } from '../../../platform/logger.ts';
import { useAnswers } from './answers.ts';
import type { OperationContext } from './context.ts';
import { toGraphQLError } from './errors.ts';
import { useEventStream } from './event-stream.ts';
import { useLimits } from './limits.ts';
import { useMediaTypes } from './media-type.ts';
import { useCheckedRequests } from './request.ts';

export const GRAPHQL_PATH = '/graphql';

const WELCOME = `# Press the button to run this: the newest tasks, and the agents.
query Overview {
  tasks(first: 5) {
    totalCount
    nodes { id capability status }
  }
  agents(first: 5) {
    totalCount
    nodes { id status health }
  }
}

# To submit a task, run this instead. It waits for an agent that
# offers the capability.
#
# mutation Submit {
#   submitTask(input: { capability: "echo", input: { hello: "world" } }) {
#     ... on TaskAccepted { taskId position }
#     ... on TaskRejected { reason message }
#   }
# }
`;

export type GraphQLOptions = {
  readonly schema: GraphQLSchema;
  /** GraphiQL and introspection. */
  readonly explorable: boolean;
  readonly logger: Logger;
  readonly contextOf: (request: Request) => OperationContext;
};

export const createGraphQL = ({ schema, explorable, logger, contextOf }: GraphQLOptions) =>
  createYoga({
    schema,
    graphqlEndpoint: GRAPHQL_PATH,
    logging: false,
    cors: false,
    multipart: false,
    batching: false,
    landingPage: false,
    maxRequestBodySize: false, // our own reader enforces the limit
    graphiql: explorable && { title: 'Baton', defaultQuery: WELCOME, subscriptionsProtocol: 'WS' },
    // A page of 9 MB: loaded when somebody opens it.
    renderGraphiQL: async (options) => (await import('@graphql-yoga/render-graphiql')).renderGraphiQL(options),
    maskedErrors: { maskError: (error) => toGraphQLError(error, logger) },
    plugins: [
      useCheckedRequests(),
      useLimits({ introspection: explorable }),
      useAnswers({ hideNames: !explorable }),
      useMediaTypes(),
      useEventStream(),
    ],
    context: ({ request }) => contextOf(request),
  });

export type GraphQLServer = ReturnType<typeof createGraphQL>;
