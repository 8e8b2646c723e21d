import type { z } from 'zod';
import type { RegisterAgentInput, UpdateAgentInput } from '../../../domain/agent/commands.ts';
import type { Builder } from '../kit/builder.ts';
import { withoutNulls } from '../kit/command-field.ts';
import type { Enums } from '../kit/enums.ts';

type InputFields = Parameters<Parameters<Builder['inputType']>[1]['fields']>[0];

const lifecycleInputs = (t: InputFields) => ({
  heartbeatIntervalMs: t.int({
    description: 'Set it when the agent sends heartbeats; without them the agent then becomes unhealthy.',
  }),
  heartbeats: t.boolean({
    description: 'It sends heartbeats: every 30 s unless heartbeatIntervalMs says otherwise.',
  }),
  warmUpMs: t.int({
    description: 'It gets no work until `reportAgentReady`, at most for this long. When absent it is ready at once.',
  }),
});

export const addAgentInputs = (builder: Builder, enums: Enums) => {
  const MoneyInput = builder.inputType('MoneyInput', {
    fields: (t) => ({
      currency: t.string({ required: true, description: 'ISO 4217.' }),
      micros: t.field({ type: 'SafeInt', required: true, description: "Millionths of the currency's unit." }),
    }),
  });
  const CapabilityInput = builder.inputType('CapabilityInput', {
    fields: (t) => ({
      name: t.string({ required: true }),
      version: t.string({ description: 'Semver; 1.0.0 when absent.' }),
      confidence: t.float({ description: '0 to 1; absent counts as 1.' }),
      specialisations: t.stringList({ description: 'Kinds of this work that it is best at; at most 32.' }),
    }),
  });
  const LocationInput = builder.inputType('LocationInput', {
    fields: (t) => ({ region: t.string({ required: true }), zone: t.string() }),
  });
  const SlaInput = builder.inputType('AgentSlaInput', {
    fields: (t) => ({
      availability: t.float({ description: '0 to 1.' }),
      p95Ms: t.int(),
      errorRate: t.float({ description: '0 to 1.' }),
    }),
  });
  const ConstraintsInput = builder.inputType('AgentConstraintsInput', {
    fields: (t) => ({ maxInputBytes: t.int(), maxTimeoutMs: t.int() }),
  });
  const descriptor = (t: InputFields) => ({
    version: t.string({ description: 'Semver, of the agent as a whole. When absent: that of its card.' }),
    serviceTypes: t.field({ type: [enums.ServiceType] }),
    tags: t.stringList({ description: 'At most 64.' }),
    location: t.field({ type: LocationInput }),
    weight: t.float({ description: '0.01 to 1000.' }),
    costFactor: t.float({ description: 'What an hour of its work costs; no unit, only compared.' }),
    standby: t.boolean({ description: 'In reserve: it gets work only while no other able agent is free.' }),
    sla: t.field({ type: SlaInput }),
    constraints: t.field({ type: ConstraintsInput }),
  });
  const RegisterAgentInput = builder.inputType('RegisterAgentInput', {
    fields: (t) => ({
      agentId: t.string({ required: true, description: 'Chosen by you.' }),
      pool: t.string({ description: '`default` when absent. It cannot change while the agent is registered.' }),
      name: t.string(),
      description: t.string(),
      capabilities: t.field({
        type: [CapabilityInput],
        description: "When absent: the skills of the agent's card, version 1.0.0.",
      }),
      cardUrl: t.string({
        description:
          'Address of the agent card, or of the server that has it at /.well-known/agent-card.json. Without one the agent is local: a function in a dispatcher.',
      }),
      maxConcurrency: t.int({ description: 'Attempts it may hold at once; 10 when absent.' }),
      delivery: t.field({ type: enums.Delivery, description: 'AT_LEAST_ONCE when absent.' }),
      ...lifecycleInputs(t),
      costPerCall: t.field({ type: MoneyInput }),
      labels: t.field({ type: 'JSON', description: 'Name to text.' }),
      ...descriptor(t),
      replace: t.boolean({ description: 'Replace the profile if the agent is already registered.' }),
    }),
  });
  const UpdateAgentInput = builder.inputType('UpdateAgentInput', {
    description: 'Absent fields do not change.',
    fields: (t) => ({
      name: t.string(),
      description: t.string(),
      capabilities: t.field({ type: [CapabilityInput] }),
      maxConcurrency: t.int(),
      heartbeatIntervalMs: t.int(),
      costPerCall: t.field({ type: MoneyInput }),
      labels: t.field({ type: 'JSON' }),
      ...descriptor(t),
    }),
  });
  return { RegisterAgentInput, UpdateAgentInput, LocationInput };
};

export type AgentInputs = ReturnType<typeof addAgentInputs>;

/** Labels are any JSON to GraphQL; the command's schema checks that they are texts. */
type Labelled<Input extends { labels?: unknown }> = Omit<Input, 'labels'> & { labels?: never };

export const registerBody = (input: AgentInputs['RegisterAgentInput']['$inferInput']) =>
  withoutNulls(input) as Labelled<ReturnType<typeof withoutNulls<typeof input>>> satisfies z.input<
    typeof RegisterAgentInput
  >;

export const updateBody = (input: AgentInputs['UpdateAgentInput']['$inferInput']) =>
  withoutNulls(input) as Labelled<ReturnType<typeof withoutNulls<typeof input>>> satisfies z.input<
    typeof UpdateAgentInput
  >;
