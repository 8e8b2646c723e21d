import type { ObjectRef } from '@pothos/core';
import { checkAgentCount, MAX_AGENTS_PER_CALL, registerAgents } from '../../../commands/agent/register-agent.ts';
import type { Accepted as AcceptedCommand } from '../../../commands/context.ts';
import type { AgentRejection } from '../../../domain/agent/decider.ts';
import type { Builder, SchemaTypes } from '../kit/builder.ts';
import { addBulkPayload, BULK_KEY } from '../kit/bulk.ts';
import { callerFor } from '../kit/command-field.ts';
import type { ErrorTypes } from '../kit/error-types.ts';
import type { Accepted } from '../kit/outcome.ts';
import { type AgentInputs, registerBody } from './inputs.ts';

/** Many agents in one mutation. */
export const addBulkRegistration = (
  builder: Builder,
  inputs: AgentInputs,
  errors: ErrorTypes,
  AgentAccepted: ObjectRef<SchemaTypes, Accepted<AcceptedCommand>>,
): void => {
  const RegisterAgentsPayload = addBulkPayload<AgentRejection['reason']>(builder, errors, {
    name: 'RegisterAgents',
    subject: 'agent',
    Accepted: AgentAccepted,
  });
  const RegisterAgentsItemInput = builder.inputType('RegisterAgentsItemInput', {
    fields: (t) => ({
      agent: t.field({ type: inputs.RegisterAgentInput, required: true }),
      idempotencyKey: t.string(),
    }),
  });
  builder.mutationField('registerAgents', (t) =>
    t.field({
      type: RegisterAgentsPayload,
      description: `Registers up to ${MAX_AGENTS_PER_CALL} agents; each succeeds or fails on its own.`,
      args: {
        agents: t.arg({ type: [RegisterAgentsItemInput], required: true }),
        idempotencyKey: t.arg.string(BULK_KEY),
      },
      resolve: (_, { agents, idempotencyKey }, context, info) => {
        checkAgentCount(agents.length);
        const items = agents.map(({ agent, idempotencyKey: own }) => ({
          ...registerBody(agent),
          ...(own == null ? {} : { idempotencyKey: own }),
        }));
        return registerAgents(context.commands, callerFor(context, { idempotencyKey }, info), { agents: items });
      },
    }),
  );
};
