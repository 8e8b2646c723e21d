import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AGENT_CARD_PATH, type AgentCard } from '@a2a-js/sdk';
import { DefaultRequestHandler } from '@a2a-js/sdk/server';
import { agentCardHandler, jsonRpcHandler, restHandler, UserBuilder } from '@a2a-js/sdk/server/express';
import express, { type Request, type RequestHandler } from 'express';
import { Membership } from './baton/membership.ts';
import { type BatonOptions, httpAddress, type Place, placeOf, type SkillFacts } from './baton/options.ts';
import type { Handler, Received } from './call.ts';
import { HandlerExecutor } from './executor.ts';
import { RecentTasks } from './recent-tasks.ts';

/** What others read about an agent. */
export type Card = {
  readonly name: string;
  readonly description?: string;
  readonly version?: string;
};

export type Skill = SkillFacts & {
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
  /** Where others reach the agent, when that is not `http://host:port`: behind a proxy, or when it listens on 0.0.0.0. */
  readonly publicUrl?: string;
  /** Prepares the agent, such as by loading a model. Until it is done calls are refused, and Baton gives no work. */
  readonly warmUp?: () => unknown;
  /** The Baton server that the agent registers with; by default that of the variable BATON_URL. `false`: none. */
  readonly baton?: BatonOptions | false;
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
  /** Takes no new work, lets the calls at work finish, leaves Baton, and stops. */
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

const EVERY_INTERFACE = /^(0\.0\.0\.0|::|0:0:0:0:0:0:0:0)$/;

const listen = async (server: Server, { host = '127.0.0.1', port = 0 }: ServeOptions): Promise<string> => {
  server.listen(port, host);
  await once(server, 'listening');
  const shown = host.includes(':') ? `[${host}]` : host;
  return `http://${shown}:${(server.address() as AddressInfo).port}`;
};

/** Whether a request begins a call; the others ask for one that is at work. */
const beginsCall = ({ path, body }: Request): boolean =>
  /message:(send|stream)$/.test(path) || /^Send|^message\//.test(String((body as { method?: unknown })?.method));

/** What the agent does with new calls: while it warms up or stops it takes none, also over connections that are open. */
type Phase = 'warming up' | 'serving' | 'stopping';

const refuseCalls = (phase: () => Phase): RequestHandler => {
  return (request, response, next) => {
    const now = phase();
    if (now === 'serving' || !beginsCall(request)) return next();
    if (now === 'stopping') response.set('connection', 'close');
    response
      .status(503)
      .set('retry-after', '1')
      .json({ error: `the agent is ${now}` });
  };
};

/** Lets the calls at work finish, at most `graceMs`, and closes the server. */
const stopServing = async (server: Server, executor: HandlerExecutor, graceMs: number): Promise<void> => {
  const closed = once(server, 'close');
  server.close();
  server.closeIdleConnections();
  await executor.drain(graceMs);
  // The last answers are still on their way.
  const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS);
  const cut = setTimeout(() => server.closeAllConnections(), LAST_ANSWERS_MS);
  await closed;
  clearInterval(sweep);
  clearTimeout(cut);
};

type Agent = { readonly url: string; readonly server: Server; readonly executor: HandlerExecutor; phase: Phase };

/** An agent that listens and takes no calls yet. */
const open = async (options: ServeOptions, publicUrl: string | undefined): Promise<Agent> => {
  const { card, handlers, dedupe = true } = options;
  const app = express();
  app.disable('x-powered-by');
  const server = createServer(app);
  const local = await listen(server, options);
  const url = publicUrl ?? local;
  const runs = new Map(Object.entries(handlers).map(([id, handler]) => [id, skillOf(handler).run]));
  const executor = new HandlerExecutor({ name: card.name, handlers: runs, dedupe, onCall: options.onCall });
  const requestHandler = new DefaultRequestHandler(cardOf(options, url), new RecentTasks(), executor);
  const userBuilder = UserBuilder.noAuthentication;
  const agent: Agent = { url, server, executor, phase: 'warming up' };
  app.use(`/${AGENT_CARD_PATH}`, agentCardHandler({ agentCardProvider: requestHandler }));
  app.use(
    express.json({ limit: MAX_BODY, type: JSON_TYPES }),
    refuseCalls(() => agent.phase),
  );
  app.use('/a2a/json-rpc', jsonRpcHandler({ requestHandler, userBuilder }));
  app.use('/a2a/rest', restHandler({ requestHandler, userBuilder }));
  return agent;
};

/** Errors: throws when Baton could not call an agent that names no address of its own. */
const placeFor = (options: ServeOptions): Place | undefined => {
  const place = placeOf(options);
  if (place === undefined || options.publicUrl !== undefined || !EVERY_INTERFACE.test(options.host ?? '')) return place;
  throw new Error(`host ${options.host} is no address that Baton at ${place.url} can call: set publicUrl`);
};

/**
 * Serves functions as an A2A 1.0 agent over JSON-RPC and REST, with its card at the well-known path. With `baton.url`, or the variable
 * BATON_URL, it also registers with that Baton server, sends it heartbeats, and leaves it when it stops.
 *
 * A short call is answered at once; a longer one, or one that reports progress, becomes a task that the caller follows and may cancel.
 * Errors: rejects when the port is taken, an option is unusable, Baton refuses the agent (`BatonRefused`), or `warmUp` rejects. A Baton
 * that cannot be reached is no error: the agent serves and goes on trying.
 */
export const serveAgent = async (options: ServeOptions): Promise<AgentServer> => {
  const { graceMs = GRACE_MS, handleSignals = true, warmUp } = options;
  const publicUrl = options.publicUrl === undefined ? undefined : httpAddress('publicUrl', options.publicUrl);
  const place = placeFor(options);
  const agent = await open(options, publicUrl);
  const { url, server, executor } = agent;
  const cardUrl = `${url}/${AGENT_CARD_PATH}`;
  const running = () => executor.running;
  const membership = place && new Membership({ place, cardUrl, warmsUp: warmUp !== undefined, running });

  const shut = async (): Promise<void> => {
    const untilMs = performance.now() + graceMs;
    await membership?.retire(graceMs);
    agent.phase = 'stopping';
    await stopServing(server, executor, Math.max(0, untilMs - performance.now()));
    await membership?.leave();
    for (const signal of SIGNALS) process.off(signal, close);
  };
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= shut();
    return closing;
  };
  if (handleSignals) for (const signal of SIGNALS) process.on(signal, close);
  try {
    if (warmUp === undefined) agent.phase = 'serving'; // Baton may send work as soon as it knows the agent
    const prepared = Promise.resolve().then(warmUp);
    await Promise.all([membership?.join(), prepared]);
    if (warmUp !== undefined && closing === undefined) agent.phase = 'serving';
    await membership?.ready();
  } catch (error) {
    await close();
    throw error;
  }
  return { url, cardUrl, close };
};
