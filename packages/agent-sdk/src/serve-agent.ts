import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AGENT_CARD_PATH, type AgentCard } from '@a2a-js/sdk';
import { DefaultRequestHandler } from '@a2a-js/sdk/server';
import { agentCardHandler, jsonRpcHandler, restHandler, UserBuilder } from '@a2a-js/sdk/server/express';
import express, { type Request, type RequestHandler } from 'express';
import type { Handler, Received } from './call.ts';
import { HandlerExecutor } from './executor.ts';
import { RecentTasks } from './recent-tasks.ts';

/** What others read about an agent. */
export type Card = {
  readonly name: string;
  readonly description?: string;
  readonly version?: string;
};

export type Skill = {
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly run: Handler;
};

export type ServeOptions = {
  readonly card: Card;
  /** By the id of the skill, such as `invoice.check`. */
  readonly handlers: Readonly<Record<string, Handler | Skill>>;
  /** 127.0.0.1 by default. */
  readonly host?: string;
  /** 0, the default, asks the system for a free port. */
  readonly port?: number;
  /** Does the work once per effect key and repeats its answer, in memory; see the README. True by default. */
  readonly dedupe?: boolean;
  /** Told of each call before its work begins, for the agent's own record. */
  readonly onCall?: (call: Received) => void;
  /** How long calls may go on after SIGTERM, SIGINT or `close`, in milliseconds; 10,000 by default. Then their signal aborts. */
  readonly graceMs?: number;
  /** Whether SIGTERM and SIGINT close the agent; true by default. */
  readonly handleSignals?: boolean;
};

export type AgentServer = {
  readonly url: string;
  readonly cardUrl: string;
  /** Refuses new calls, lets those at work finish, and stops. */
  close(): Promise<void>;
};

const GRACE_MS = 10_000;
/** How long the answers to calls that have ended may take to be read, and how often it is looked whether they are. In milliseconds. */
const LAST_ANSWERS_MS = 1_000;
const SWEEP_MS = 20;
const SIGNALS = ['SIGTERM', 'SIGINT'] as const;
const JSON_TYPE = 'application/json';
const JSON_TYPES = [JSON_TYPE, 'application/a2a+json'];
/** Baton sends inputs of up to 256 KiB. */
const MAX_BODY = '1mb';

const skillOf = (skill: Handler | Skill): Skill => (typeof skill === 'function' ? { run: skill } : skill);

const cardOf = ({ card, handlers }: ServeOptions, url: string): AgentCard => ({
  name: card.name,
  description: card.description ?? card.name,
  version: card.version ?? '1.0.0',
  provider: undefined,
  supportedInterfaces: [
    { url: `${url}/a2a/json-rpc`, protocolBinding: 'JSONRPC', protocolVersion: '1.0', tenant: '' },
    { url: `${url}/a2a/rest`, protocolBinding: 'HTTP+JSON', protocolVersion: '1.0', tenant: '' },
  ],
  capabilities: { streaming: true, pushNotifications: false, extensions: [], extendedAgentCard: false },
  securitySchemes: {},
  securityRequirements: [],
  defaultInputModes: [JSON_TYPE],
  defaultOutputModes: [JSON_TYPE],
  skills: Object.entries(handlers).map(([id, handler]) => ({
    id,
    name: id,
    description: skillOf(handler).description ?? id,
    tags: [...(skillOf(handler).tags ?? [])],
    examples: [],
    inputModes: [],
    outputModes: [],
    securityRequirements: [],
  })),
  signatures: [],
});

const listen = async (server: Server, { host = '127.0.0.1', port = 0 }: ServeOptions): Promise<string> => {
  server.listen(port, host);
  await once(server, 'listening');
  const shown = host.includes(':') ? `[${host}]` : host;
  return `http://${shown}:${(server.address() as AddressInfo).port}`;
};

/** Whether a request begins a call; the others ask for one that is at work. */
const beginsCall = ({ path, body }: Request): boolean =>
  /message:(send|stream)$/.test(path) || /^Send|^message\//.test(String((body as { method?: unknown })?.method));

/** While it closes, an agent takes no new call over the connections that are open. */
const refuseCalls = (isClosing: () => boolean): RequestHandler => {
  return (request, response, next) => {
    if (!isClosing() || !beginsCall(request)) return next();
    response.status(503).set({ 'retry-after': '1', connection: 'close' }).json({ error: 'the agent is stopping' });
  };
};

/**
 * Serves functions as an A2A 1.0 agent over JSON-RPC and REST, with its card at the well-known path.
 *
 * A short call is answered at once; a longer one, or one that reports progress, becomes a task that the caller follows and may cancel.
 * Errors: rejects when the port is taken.
 */
export const serveAgent = async (options: ServeOptions): Promise<AgentServer> => {
  const { card, handlers, dedupe = true, graceMs = GRACE_MS, handleSignals = true } = options;
  const app = express();
  app.disable('x-powered-by');
  const server = createServer(app);
  const url = await listen(server, options);
  const runs = new Map(Object.entries(handlers).map(([id, handler]) => [id, skillOf(handler).run]));
  const executor = new HandlerExecutor({ name: card.name, handlers: runs, dedupe, onCall: options.onCall });
  const requestHandler = new DefaultRequestHandler(cardOf(options, url), new RecentTasks(), executor);
  const userBuilder = UserBuilder.noAuthentication;
  let closing: Promise<void> | undefined;
  app.use(`/${AGENT_CARD_PATH}`, agentCardHandler({ agentCardProvider: requestHandler }));
  app.use(
    express.json({ limit: MAX_BODY, type: JSON_TYPES }),
    refuseCalls(() => closing !== undefined),
  );
  app.use('/a2a/json-rpc', jsonRpcHandler({ requestHandler, userBuilder }));
  app.use('/a2a/rest', restHandler({ requestHandler, userBuilder }));

  const shut = async (): Promise<void> => {
    const closed = once(server, 'close');
    server.close();
    server.closeIdleConnections();
    await executor.drain(graceMs);
    // The last answers are still on their way.
    const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS);
    const cut = setTimeout(() => server.closeAllConnections(), LAST_ANSWERS_MS);
    await closed;
    for (const signal of SIGNALS) process.off(signal, close);
    clearInterval(sweep);
    clearTimeout(cut);
  };
  const close = (): Promise<void> => {
    closing ??= shut();
    return closing;
  };
  if (handleSignals) for (const signal of SIGNALS) process.on(signal, close);
  return { url, cardUrl: `${url}/${AGENT_CARD_PATH}`, close };
};
