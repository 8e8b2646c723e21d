import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync, writeSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { AGENT_CARD_PATH, type AgentCard, type Message, Role, type Task, TaskState } from '@a2a-js/sdk';
import {
  AgentEvent,
  type AgentExecutor,
  DefaultRequestHandler,
  type ExecutionEventBus,
  InMemoryTaskStore,
  type RequestContext,
} from '@a2a-js/sdk/server';
import { agentCardHandler, jsonRpcHandler, restHandler, UserBuilder } from '@a2a-js/sdk/server/express';
import express from 'express';
import { LRUCache } from 'lru-cache';
import { Refusal, type Skill } from './skill.ts';

/** What an agent can do, independent of where it runs. */
export type Agent = {
  readonly name: string;
  readonly description: string;
  readonly skills: readonly Skill[];
};

export type AgentServerOptions = Agent & {
  readonly host: string;
  /** 0 asks the system for a free port. */
  readonly port: number;
  /** A file that gets one JSON line per call: the agent's own record of the calls that reached it. */
  readonly journal?: string | undefined;
  /** Does the work once per effect key and repeats the answer, which makes the agent `effectively_once`. Kept in memory only. */
  readonly dedupe: boolean;
  /** How long a call takes in addition to its calculation, in milliseconds. */
  readonly workMs: number;
  /** Id of a skill that fails permanently, to show what Baton does then. */
  readonly refuse?: string | undefined;
};

export type AgentServer = {
  readonly url: string;
  readonly cardUrl: string;
  close(): Promise<void>;
};

/** How many answers are kept for repeated calls. */
const REMEMBERED = 100_000;
const MAX_PORT = 65_535;

const cardOf = ({ name, description, skills }: AgentServerOptions, url: string): AgentCard => ({
  name,
  description,
  version: '1.0.0',
  provider: undefined,
  supportedInterfaces: [
    { url: `${url}/a2a/json-rpc`, protocolBinding: 'JSONRPC', protocolVersion: '1.0', tenant: '' },
    { url: `${url}/a2a/rest`, protocolBinding: 'HTTP+JSON', protocolVersion: '1.0', tenant: '' },
  ],
  capabilities: { streaming: false, pushNotifications: false, extensions: [], extendedAgentCard: false },
  securitySchemes: {},
  securityRequirements: [],
  defaultInputModes: ['application/json'],
  defaultOutputModes: ['application/json'],
  skills: skills.map((skill) => ({
    id: skill.id,
    name: skill.id,
    description: skill.description,
    tags: ['sustainability'],
    examples: [],
    inputModes: [],
    outputModes: [],
    securityRequirements: [],
  })),
  signatures: [],
});

/** One line per call, written synchronously before the answer, so that it survives a crash of the process. */
class Journal {
  readonly #file: number | undefined;

  constructor(path: string | undefined) {
    this.#file = path === undefined ? undefined : openSync(path, 'a');
  }

  write(line: object): void {
    if (this.#file !== undefined) writeSync(this.#file, `${JSON.stringify(line)}\n`);
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
  }
}

const inputOf = ({ parts }: Message): unknown => {
  const [part] = parts;
  return part?.content?.$case === 'data' || part?.content?.$case === 'text' ? part.content.value : undefined;
};

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

class SkillExecutor implements AgentExecutor {
  readonly #options: AgentServerOptions;
  readonly #journal: Journal;
  readonly #answers = new LRUCache<string, object>({ max: REMEMBERED });

  constructor(options: AgentServerOptions, journal: Journal) {
    this.#options = options;
    this.#journal = journal;
  }

  readonly execute = async (context: RequestContext, bus: ExecutionEventBus): Promise<void> => {
    const message = context.userMessage;
    const { effectKey, attempt, capability } = message.metadata ?? {};
    const known = this.#options.dedupe ? this.#answers.get(String(effectKey)) : undefined;
    const call = { taskId: effectKey, effectKey, attempt, capability, messageId: message.messageId };
    this.#journal.write({ ...call, applied: known === undefined, at: new Date().toISOString() });
    try {
      const answer = known ?? (await this.#work(String(capability), inputOf(message), textOf(effectKey)));
      if (this.#options.dedupe && effectKey !== undefined) this.#answers.set(String(effectKey), answer);
      bus.publish(AgentEvent.message(answerOf(context, answer)));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      bus.publish(AgentEvent.task(refusedTask(context, error)));
    }
    bus.finished();
  };

  /** Calls are short, so there is nothing to cancel. */
  readonly cancelTask = async (): Promise<void> => {};

  async #work(capability: string, input: unknown, effectKey: string | undefined): Promise<object> {
    const { skills, name, workMs, refuse } = this.#options;
    const skill = skills.find(({ id }) => id === capability);
    if (!skill) throw new Refusal('UNKNOWN_SKILL', `${name} has no skill ${JSON.stringify(capability)}`);
    if (capability === refuse) throw new Refusal('TOLD_TO_REFUSE', `${name} was started with --refuse ${refuse}`);
    if (workMs > 0) await pause(workMs);
    return skill.run(input, { agent: name, effectKey }) as object;
  }
}

const part = (content: { $case: 'data'; value: unknown } | { $case: 'text'; value: string }, mediaType: string) => ({
  content,
  metadata: undefined,
  filename: '',
  mediaType,
});

const answerOf = ({ contextId }: RequestContext, value: object): Message => ({
  messageId: randomUUID(),
  contextId,
  taskId: '',
  role: Role.ROLE_AGENT,
  parts: [part({ $case: 'data', value }, 'application/json')],
  metadata: undefined,
  extensions: [],
  referenceTaskIds: [],
});

/** Reports a failure as a task in state failed. Baton reads `code` and `retryable` from the metadata of its status message. */
const refusedTask = ({ taskId, contextId }: RequestContext, { code, message }: Refusal): Task => ({
  id: taskId,
  contextId,
  status: {
    state: TaskState.TASK_STATE_FAILED,
    timestamp: new Date().toISOString(),
    message: {
      messageId: randomUUID(),
      contextId,
      taskId,
      role: Role.ROLE_AGENT,
      parts: [part({ $case: 'text', value: message }, 'text/plain')],
      metadata: { code, retryable: false },
      extensions: [],
      referenceTaskIds: [],
    },
  },
  artifacts: [],
  history: [],
  metadata: undefined,
});

const listen = async (server: Server, { host, port }: AgentServerOptions): Promise<string> => {
  server.listen(port, host);
  await once(server, 'listening');
  const shown = host.includes(':') ? `[${host}]` : host;
  return `http://${shown}:${(server.address() as AddressInfo).port}`;
};

/** Starts an A2A 1.0 agent over JSON-RPC and REST, with its card at the well-known path. */
export const startAgentServer = async (options: AgentServerOptions): Promise<AgentServer> => {
  const app = express();
  app.disable('x-powered-by');
  const server = createServer(app);
  const url = await listen(server, options);
  const journal = new Journal(options.journal);
  const requestHandler = new DefaultRequestHandler(
    cardOf(options, url),
    new InMemoryTaskStore(),
    new SkillExecutor(options, journal),
  );
  const userBuilder = UserBuilder.noAuthentication;
  app.use(`/${AGENT_CARD_PATH}`, agentCardHandler({ agentCardProvider: requestHandler }));
  app.use('/a2a/json-rpc', jsonRpcHandler({ requestHandler, userBuilder }));
  app.use('/a2a/rest', restHandler({ requestHandler, userBuilder }));
  return {
    url,
    cardUrl: `${url}/${AGENT_CARD_PATH}`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeIdleConnections();
      await closed;
      journal.close();
    },
  };
};

/** Sends Baton a heartbeat at each interval. One that fails is not repeated: the next one follows. */
const sendHeartbeats = (batonUrl: string, agentId: string, intervalMs: number): (() => void) => {
  const url = `${batonUrl.replace(/\/$/, '')}/agents/${encodeURIComponent(agentId)}/heartbeat`;
  const send = (): void => {
    fetch(url, { method: 'POST', signal: AbortSignal.timeout(intervalMs) }).then(
      (response) => response.body?.cancel(),
      () => {}, // Baton is unreachable; its own monitoring reports that
    );
  };
  send();
  const timer = setInterval(send, intervalMs);
  return () => clearInterval(timer);
};

const readArguments = (args: readonly string[]) => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '0' },
      journal: { type: 'string' },
      heartbeat: { type: 'string' },
      'agent-id': { type: 'string' },
      'heartbeat-interval': { type: 'string', default: '1000' },
      'work-ms': { type: 'string', default: '0' },
      dedupe: { type: 'boolean', default: false },
      refuse: { type: 'string' },
      'exit-with-parent': { type: 'boolean', default: false },
    },
  });
  const number = (name: 'port' | 'heartbeat-interval' | 'work-ms', min: number, max: number): number => {
    const value = Number(values[name]);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    throw new Error(`--${name} must be a whole number from ${min} to ${max}`);
  };
  return {
    ...values,
    port: number('port', 0, MAX_PORT),
    heartbeatIntervalMs: number('heartbeat-interval', 100, 3_600_000),
    workMs: number('work-ms', 0, 3_600_000),
  };
};

/**
 * Runs an agent as its own process until SIGTERM or SIGINT. Prints one JSON line with the URL of its card as soon as it accepts calls.
 *
 * Arguments: `--port`, `--host`, `--journal FILE`, `--heartbeat BATON_URL --agent-id ID [--heartbeat-interval MS]`, `--work-ms MS`, `--dedupe`,
 * `--refuse SKILL`, `--exit-with-parent` (also stop when standard input ends, and so when the parent process ends in any way).
 */
export const runAgent = async (agent: Agent, args: readonly string[] = process.argv.slice(2)): Promise<void> => {
  const { host, port, journal, dedupe, refuse, workMs, heartbeat, heartbeatIntervalMs, ...others } =
    readArguments(args);
  const server = await startAgentServer({ ...agent, host, port, journal, dedupe, refuse, workMs });
  const agentId = others['agent-id'] ?? agent.name;
  const stopHeartbeats = heartbeat === undefined ? undefined : sendHeartbeats(heartbeat, agentId, heartbeatIntervalMs);
  const stop = (): void => {
    stopHeartbeats?.();
    process.stdin.destroy(); // while it is open, the process would not end
    void server.close();
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  if (others['exit-with-parent']) process.stdin.once('end', stop).resume();
  const skills = agent.skills.map(({ id }) => id);
  process.stdout.write(
    `${JSON.stringify({ ready: true, agentId, name: agent.name, cardUrl: server.cardUrl, url: server.url, skills, pid: process.pid })}\n`,
  );
};
