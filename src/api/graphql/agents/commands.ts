import { deregisterAgent } from '../../../commands/agent/deregister-agent.ts';
import { drainAgent } from '../../../commands/agent/drain-agent.ts';
import { reportAgentReady } from '../../../commands/agent/end-warm-up.ts';
import { endMaintenance, startMaintenance } from '../../../commands/agent/maintain-agent.ts';
import { registerAgent } from '../../../commands/agent/register-agent.ts';
import { undrainAgent } from '../../../commands/agent/undrain-agent.ts';
import { updateAgent } from '../../../commands/agent/update-agent.ts';
import type { Accepted as AcceptedCommand } from '../../../commands/context.ts';
import type { AgentRejection } from '../../../domain/agent/decider.ts';
import { AGENT_REASONS } from '../../../wording/rejections.ts';
import type { Builder } from '../kit/builder.ts';
import { atPointer, callerFor, KEY, withoutNulls } from '../kit/command-field.ts';
import type { ErrorTypes } from '../kit/error-types.ts';
import { addOutcome } from '../kit/outcome.ts';
import { addBulkRegistration } from './bulk.ts';
import { type AgentInputs, registerBody, updateBody } from './inputs.ts';
import type { AgentTypes } from './types.ts';

const addAgentOutcome = (builder: Builder, { Agent, loadAgent }: AgentTypes) =>
  addOutcome<AcceptedCommand, AgentRejection>(builder, {
    subject: 'Agent',
    recorded: 'if_changed',
    accepted: (t) => ({
      agentId: t.id({ resolve: ({ id }) => id }),
      agent: t.field({
        type: Agent,
        nullable: true,
        description: 'The agent with the effect of this command; waits for it.',
        resolve: ({ id, position }, _, context) => loadAgent(context, id, position),
      }),
    }),
    reasons: AGENT_REASONS,
    facts: { pool: { from: 'pool', type: 'String' } },
  });

type AgentOutcome = ReturnType<typeof addAgentOutcome>;

/** Commands about an agent that take nothing but a reason. */
const WITH_REASON: Readonly<Record<string, readonly [command: typeof undrainAgent, description: string]>> = {
  undrainAgent: [undrainAgent, 'Gives an agent that drains new work again.'],
  startAgentMaintenance: [
    startMaintenance,
    'Keeps the agent from new work, also when it registers again. It may finish what it holds.',
  ],
  endAgentMaintenance: [endMaintenance, 'Ends the maintenance of the agent.'],
  deregisterAgent: [
    deregisterAgent,
    'Takes the agent out of its pool. Its open attempts may still end; it may register again.',
  ],
};

const addLifecycleCommands = (builder: Builder, { payload, outcomeOf }: AgentOutcome): void =>
  builder.mutationFields((t) => {
    const idempotencyKey = t.arg.string(KEY);
    const agentId = t.arg.id({ required: true });
    const leaving = { agentId, reason: t.arg.string(), idempotencyKey };
    const withReason = Object.entries(WITH_REASON).map(([name, [command, description]]) => [
      name,
      t.field({
        type: payload(`${name[0]?.toUpperCase()}${name.slice(1)}Payload`),
        description,
        args: leaving,
        resolve: async (_, { reason, ...args }, context, info) => {
          const body = withoutNulls({ reason });
          return outcomeOf(await command(context.commands, callerFor(context, args, info), args.agentId, body));
        },
      }),
    ]);
    return {
      drainAgent: t.field({
        type: payload('DrainAgentPayload'),
        description: 'Gives the agent no new work; it finishes what it holds.',
        args: {
          ...leaving,
          limitMs: t.arg.int({ description: 'What it holds then is given up; 300000 when absent.' }),
        },
        resolve: async (_, { reason, limitMs, ...args }, context, info) => {
          const body = withoutNulls({ reason, limitMs });
          return outcomeOf(await drainAgent(context.commands, callerFor(context, args, info), args.agentId, body));
        },
      }),
      reportAgentReady: t.field({
        type: payload('ReportAgentReadyPayload'),
        description: 'The agent has warmed up and gets work. Records nothing when it does not warm up.',
        args: { agentId, idempotencyKey },
        resolve: async (_, args, context, info) =>
          outcomeOf(await reportAgentReady(context.commands, callerFor(context, args, info), args.agentId, {})),
      }),
      ...Object.fromEntries(withReason),
    };
  });

export const addAgentCommands = (
  builder: Builder,
  inputs: AgentInputs,
  types: AgentTypes,
  errors: ErrorTypes,
): void => {
  const outcome = addAgentOutcome(builder, types);
  const { payload, outcomeOf, Accepted } = outcome;
  addBulkRegistration(builder, inputs, errors, Accepted);
  addLifecycleCommands(builder, outcome);
  builder.mutationFields((t) => {
    const idempotencyKey = t.arg.string(KEY);
    const agentId = t.arg.id({ required: true });
    return {
      registerAgent: t.field({
        type: payload('RegisterAgentPayload'),
        args: { input: t.arg({ type: inputs.RegisterAgentInput, required: true }), idempotencyKey },
        resolve: async (_, { input, ...args }, context, info) =>
          outcomeOf(
            await atPointer('/input', () =>
              registerAgent(context.commands, callerFor(context, args, info), registerBody(input)),
            ),
          ),
      }),
      updateAgent: t.field({
        type: payload('UpdateAgentPayload'),
        args: { agentId, input: t.arg({ type: inputs.UpdateAgentInput, required: true }), idempotencyKey },
        resolve: async (_, { input, ...args }, context, info) =>
          outcomeOf(
            await atPointer('/input', () =>
              updateAgent(context.commands, callerFor(context, args, info), args.agentId, updateBody(input)),
            ),
          ),
      }),
    };
  });
};
