import { AgentId, agentStream } from '../../../domain/ids.ts';
import { type AgentFilter, countAgents, listAgents } from '../../../projections/agents/queries.ts';
import type { Builder } from '../kit/builder.ts';
import { type AddConnection, AT_LEAST } from '../kit/connection.ts';
import type { Enums } from '../kit/enums.ts';
import { addList } from '../kit/list.ts';
import type { AgentTypes } from './types.ts';

export const addAgentQueries = (
  builder: Builder,
  enums: Enums,
  { Agent, AgentState, AgentStatus, loadAgent }: AgentTypes,
  addConnection: AddConnection,
): void => {
  const AgentFilterInput = builder.inputType('AgentFilter', {
    fields: (t) => ({
      statuses: t.field({ type: [AgentStatus] }),
      states: t.field({
        type: [AgentState],
        description: 'Any of these states, each a word of one vocabulary.',
      }),
      healths: t.field({ type: [enums.Health] }),
      pool: t.string(),
      capability: t.string({ description: 'Name of a capability that it offers.' }),
      labels: t.field({ type: 'JSON', description: 'Name to value; all of them.' }),
      text: t.string({ description: 'Part of its id, name or description; case does not matter.' }),
    }),
  });
  builder.queryField('agent', (t) =>
    t.field({
      type: Agent,
      nullable: true,
      args: { id: t.arg.id({ required: true }), atLeast: t.arg(AT_LEAST) },
      resolve: (_, { id, atLeast }, context) =>
        context.reads.existing({ schema: AgentId, streamOf: agentStream, id }, () => loadAgent(context, id, atLeast)),
    }),
  );
  addList(builder, addConnection, {
    name: 'agents',
    description: 'Newest registration first.',
    of: 'Agent',
    node: Agent,
    filter: AgentFilterInput,
    filterOf: (input) => input as AgentFilter,
    list: listAgents,
    count: countAgents,
  });
};
