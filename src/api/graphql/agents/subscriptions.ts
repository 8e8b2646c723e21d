import { AgentId, agentStream } from '../../../domain/ids.ts';
import { notFound } from '../../../platform/errors.ts';
import type { AgentChange } from '../../live/agent-changes.ts';
import type { Builder } from '../kit/builder.ts';
import type { ApiContext } from '../kit/context.ts';
import { FROM_POSITION, oneByOne, startOf } from '../kit/subscriptions.ts';
import type { AgentTypes } from './types.ts';

/** The agent's stream. Errors: `AppError` `NOT_FOUND`. */
const streamOf = async ({ commands, caller }: ApiContext, agentId: string): Promise<string> => {
  const stream = agentStream(caller.tenant, agentId);
  const agent = AgentId.safeParse(agentId).success ? await commands.agents.load(stream) : undefined;
  if (agent === undefined || agent.status === 'none') throw notFound('agent', JSON.stringify(agentId));
  return stream;
};

const addChangeType = (builder: Builder, { Agent, loadAgent }: AgentTypes) =>
  builder.objectRef<AgentChange>('AgentChange').implement({
    fields: (t) => ({
      position: t.expose('position', {
        type: 'Position',
        description: 'Pass it as `fromPosition` to resume after this change.',
      }),
      type: t.exposeString('type'),
      at: t.expose('at', { type: 'DateTime' }),
      agentId: t.exposeID('agentId'),
      summary: t.exposeString('summary'),
      data: t.expose('data', { type: 'JSON', description: 'The event as recorded.' }),
      agent: t.field({
        type: Agent,
        nullable: true,
        description: 'The agent with this change; waits for the read model.',
        resolve: ({ agentId, position }, _, context) => loadAgent(context, agentId, position),
      }),
    }),
  });

export const addAgentSubscriptions = (builder: Builder, types: AgentTypes): void => {
  const AgentChange = addChangeType(builder, types);
  builder.subscriptionField('agentChanged', (t) =>
    t.field({
      type: AgentChange,
      description: 'Each change of one agent, or of all of them.',
      args: { agentId: t.arg.id(), fromPosition: t.arg(FROM_POSITION) },
      subscribe: async (_, { agentId, fromPosition }, context) =>
        oneByOne(context, context.hub.agents, {
          interest: agentId
            ? { subject: await streamOf(context, agentId) }
            : { tenant: context.caller.tenant, matches: () => true },
          after: await startOf(context, fromPosition),
        }),
      resolve: (change) => change,
    }),
  );
};
