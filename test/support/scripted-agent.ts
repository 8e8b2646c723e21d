import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One JSON-RPC call that reached the agent. */
export type AgentCall = {
  readonly method: string;
  readonly id: number | string;
  readonly params: Record<string, unknown>;
  /** The message's id, and what Baton says of the attempt in its metadata. */
  readonly messageId: string | undefined;
  readonly effectKey: string | undefined;
  readonly attempt: number | undefined;
  readonly input: unknown;
  /** When it came, ISO 8601. */
  readonly at: string;
};

export type Reply = {
  /** A JSON-RPC result. */
  result(value: unknown): void;
  error(code: number, message: string): void;
  /** An answer with one data part. */
  data(value: unknown): void;
  text(value: string): void;
  task(id: string, state: string, options?: { artifacts?: unknown[]; message?: string; metadata?: object }): void;
  /** Server-sent events, each with the call's id. The stream stays open until `end`. */
  stream(): { send(result: unknown): void; end(): void; cut(): void };
  raw(status: number, headers: Record<string, string>, body: string | Buffer): void;
  /** Cuts the connection. */
  cut(): void;
  readonly response: ServerResponse;
};

/** What the agent does with a call. Not replying is allowed. */
export type Script = (call: AgentCall, reply: Reply) => void | Promise<void>;

const readBody = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
};

type Part = { data?: unknown; text?: string };
type WireMessage = { messageId?: string; metadata?: { effectKey?: string; attempt?: number }; parts?: Part[] };

const callOf = (body: { id: number; method: string; params?: { message?: WireMessage } }): AgentCall => {
  const message = body.params?.message;
  const part = message?.parts?.[0];
  return {
    method: body.method,
    id: body.id,
    params: (body.params ?? {}) as Record<string, unknown>,
    messageId: message?.messageId,
    effectKey: message?.metadata?.effectKey,
    attempt: message?.metadata?.attempt,
    input: part?.data ?? part?.text,
    at: new Date().toISOString(),
  };
};

export const taskJson = (
  id: string,
  state: string,
  options: { artifacts?: unknown[]; message?: string; metadata?: object } = {},
): object => ({
  id,
  contextId: 'context',
  status: {
    state: `TASK_STATE_${state}`,
    ...(options.message === undefined && options.metadata === undefined
      ? {}
      : {
          message: {
            messageId: `status-${id}`,
            role: 'ROLE_AGENT',
            parts: options.message === undefined ? [] : [{ text: options.message }],
            ...(options.metadata === undefined ? {} : { metadata: options.metadata }),
          },
        }),
  },
  artifacts: options.artifacts ?? [],
});

const replyTo = (call: AgentCall, response: ServerResponse): Reply => {
  const json = (body: object): void => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ jsonrpc: '2.0', id: call.id, ...body }));
  };
  const message = (part: object): void =>
    json({ result: { message: { messageId: `answer-${call.messageId}`, role: 'ROLE_AGENT', parts: [part] } } });
  return {
    response,
    result: (result) => json({ result }),
    error: (code, text) => json({ error: { code, message: text } }),
    data: (data) => message({ data }),
    text: (text) => message({ text }),
    task(id, state, options) {
      const task = taskJson(id, state, options);
      json({ result: call.method === 'SendMessage' ? { task } : task });
    },
    stream() {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      return {
        send: (result) => response.write(`data: ${JSON.stringify({ jsonrpc: '2.0', id: call.id, result })}\n\n`),
        end: () => response.end(),
        cut: () => response.destroy(),
      };
    },
    raw(status, headers, body) {
      response.writeHead(status, headers);
      response.end(body);
    },
    cut: () => response.destroy(),
  };
};

export type ScriptedAgent = {
  readonly url: string;
  readonly cardUrl: string;
  /** Every call so far: the agent's own witness. */
  readonly calls: AgentCall[];
  sends(): AgentCall[];
  script: Script;
  close(): Promise<void>;
};

/** An A2A 1.0 agent over JSON-RPC that does exactly what a test says, including what no library would do. */
export const startScriptedAgent = async (
  script: Script,
  options: { readonly streaming?: boolean; readonly card?: (card: object, url: string) => unknown } = {},
): Promise<ScriptedAgent> => {
  const calls: AgentCall[] = [];
  const agent = { script };
  const server = createServer(async (request, response) => {
    if (request.method === 'GET' && request.url === '/.well-known/agent-card.json') {
      const card = cardOf(url, options.streaming ?? false);
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(options.card?.(card, url) ?? card));
      return;
    }
    if (request.method !== 'POST') {
      response.writeHead(404).end();
      return;
    }
    const call = callOf(JSON.parse(await readBody(request)));
    calls.push(call);
    await agent.script(call, replyTo(call, response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    cardUrl: `${url}/.well-known/agent-card.json`,
    calls,
    sends: () => calls.filter(({ method }) => method === 'SendMessage' || method === 'SendStreamingMessage'),
    get script() {
      return agent.script;
    },
    set script(next) {
      agent.script = next;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};

const cardOf = (url: string, streaming: boolean): object => ({
  name: 'Scripted agent',
  description: 'Does what the test says',
  version: '1.0.0',
  supportedInterfaces: [{ url: `${url}/rpc`, protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
  capabilities: { streaming },
  defaultInputModes: ['application/json'],
  defaultOutputModes: ['application/json'],
  skills: [{ id: 'work', name: 'Work', description: 'Anything', tags: [] }],
});
