import { Role, type SendMessageRequest } from '@a2a-js/sdk';
import {
  type Client,
  ClientFactory,
  DefaultAgentCardResolver,
  JsonRpcTransportFactory,
  RestTransportFactory,
} from '@a2a-js/sdk/client';
import type { Agent } from 'undici';
import type { Json } from '../../domain/json.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Logger } from '../../platform/logger.ts';
import { BODY_IDLE_MS, createAgentFetch, MAX_STREAM_BYTES } from '../egress/agent-http.ts';
import { createEgressAgent, type EgressPolicy } from '../egress/egress.ts';
import { A2aCall } from './a2a-call.ts';
import { type AgentTransport, type Invocation, type RegisteredAgent, TransportError } from './transport.ts';

const OUTPUT_MODES = ['application/json', 'text/plain'];

export type A2aTransportOptions = {
  readonly egress: EgressPolicy;
  readonly clock: Clock;
  readonly logger: Logger;
};

/** A string is sent as text, everything else as data; A2A has no part without content, so no input becomes an empty object. */
const partOf = ({ input }: Invocation) => ({
  content:
    typeof input === 'string'
      ? { $case: 'text' as const, value: input }
      : { $case: 'data' as const, value: input ?? {} },
  metadata: undefined,
  filename: '',
  mediaType: typeof input === 'string' ? 'text/plain' : 'application/json',
});

/** The message of an attempt. Its id is the same for each delivery, and `effectKey` for each attempt, for agents that dedupe. */
const requestOf = (invocation: Invocation): SendMessageRequest => ({
  tenant: '',
  message: {
    messageId: invocation.messageId,
    contextId: '',
    taskId: '',
    role: Role.ROLE_USER,
    parts: [partOf(invocation)],
    metadata: {
      effectKey: invocation.effectKey,
      attempt: invocation.attempt,
      capability: invocation.capability,
      ...(invocation.checkpoint === undefined ? {} : { checkpoint: invocation.checkpoint }),
    },
    extensions: [],
    referenceTaskIds: [],
  },
  configuration: {
    acceptedOutputModes: OUTPUT_MODES,
    taskPushNotificationConfig: undefined,
    historyLength: 0,
    // The agent's id of a long task must be known early: without it the agent could not be asked after a crash of ours.
    returnImmediately: true,
  },
  metadata: undefined,
});

/** Calls agents over A2A 1.0, or 0.3 when their card says so, by JSON-RPC or REST, in the card's order of preference. */
export class A2aTransport implements AgentTransport {
  readonly #options: A2aTransportOptions;
  readonly #connections: Agent;
  readonly #factory: ClientFactory;
  /** By the card object in the agent's cached state: a new registration brings a new object. */
  readonly #clients = new WeakMap<object, Promise<Client>>();

  constructor(options: A2aTransportOptions) {
    this.#options = options;
    this.#connections = createEgressAgent(options.egress, {
      bodyIdleMs: BODY_IDLE_MS,
      maxResponseBytes: MAX_STREAM_BYTES,
    });
    const wire = { fetchImpl: createAgentFetch(this.#connections, options.clock), legacyCompat: { enabled: true } };
    this.#factory = new ClientFactory({
      transports: [new JsonRpcTransportFactory(wire), new RestTransportFactory(wire)],
      cardResolver: new DefaultAgentCardResolver({ legacyCompat: { enabled: true } }),
    });
  }

  async invoke(invocation: Invocation): Promise<Json> {
    const client = await this.#clientOf(invocation.agent);
    const { clock, logger } = this.#options;
    const call = new A2aCall({ client, invocation, clock, logger, streaming: streams(invocation.agent) });
    return call.run(requestOf(invocation));
  }

  /** Closes the kept-alive connections. */
  async close(): Promise<void> {
    await this.#connections.destroy();
  }

  async #clientOf(agent: RegisteredAgent): Promise<Client> {
    const { transport } = agent.profile;
    const card = transport.kind === 'a2a' ? transport.card : null;
    if (card === null || typeof card !== 'object') throw noClient('it has no card');
    const known = this.#clients.get(card);
    const client = known ?? this.#factory.createFromAgentCard(card as never);
    if (!known) this.#clients.set(card, client);
    try {
      return await client;
    } catch (error) {
      throw noClient('its card names no supported interface', error);
    }
  }
}

const streams = ({ profile: { transport } }: RegisteredAgent): boolean =>
  transport.kind === 'a2a' &&
  (transport.card as { capabilities?: { streaming?: unknown } } | null)?.capabilities?.streaming === true;

const noClient = (why: string, cause?: unknown): TransportError =>
  new TransportError('AGENT_CARD_INVALID', `the agent cannot be called: ${why}`, {
    source: 'agent',
    retryable: true,
    outcomeKnown: true,
    cause,
  });
