import { Agent, type IncomingMessage, request } from 'node:http';
import { type Client as BatonClient, createClient, type Fetch, type FetchRequest } from 'baton-client';

export type ClientOptions = {
  /** Connections kept open at most. */
  readonly connections?: number;
  /** For an answer that is not a stream, in milliseconds. */
  readonly timeoutMs?: number;
};

export type Client = BatonClient & { close(): Promise<void> };

const CONNECT_TIMEOUT_MS = 5_000;
/** The server closes a connection that was idle for 5 s (Node's default). It is not used any more well before that, so that no request meets a connection that is being closed. */
const IDLE_MS = 3_000;

type Connections = { readonly request: typeof request; readonly agent: Agent };

/** TLS is loaded only where it is used. */
const connectionsTo = async (url: string, maxSockets: number): Promise<Connections> => {
  const options = { keepAlive: true, maxSockets, timeout: IDLE_MS };
  if (!url.startsWith('https:')) return { request, agent: new Agent(options) };
  const https = await import('node:https');
  return { request: https.request, agent: new https.Agent(options) };
};

/** Resolves with the answer's head. Silence of `timeoutMs` before it or in it is an error, except in a stream of events. */
const send = (
  { request, agent }: Connections,
  url: string,
  { method, headers, body, signal }: FetchRequest,
  timeoutMs: number,
): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const options = { method, headers, agent, timeout: CONNECT_TIMEOUT_MS, ...(signal && { signal }) };
    let answer: IncomingMessage | undefined;
    const sent = request(url, options, (answered) => {
      answer = answered;
      if (headers['accept'] === 'text/event-stream') answered.setTimeout(0);
      answered.on('error', () => {}); // a stream that is left before its end
      resolve(answered);
    });
    sent.on('socket', (socket) => {
      const connected = (): unknown => sent.setTimeout(timeoutMs);
      if (socket.connecting) socket.once('connect', connected);
      else connected();
    });
    sent.on('timeout', () => (answer ?? sent).destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })));
    sent.on('error', reject);
    sent.end(body);
  });

const textOf = async (answer: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
};

const fetchThrough =
  (connections: Promise<Connections>, timeoutMs: number): Fetch =>
  async (url, asked) => {
    const answer = await send(await connections, url, asked, timeoutMs);
    return {
      status: answer.statusCode ?? 0,
      headers: { get: (name) => answer.headers[name]?.toString() ?? null },
      body: answer,
      text: () => textOf(answer),
    };
  };

/** A client with connections of its own. Node's own HTTP: a library's takes a quarter of the time in which a command starts. */
export const connect = (url: string, { connections = 8, timeoutMs = 30_000 }: ClientOptions = {}): Client => {
  const own = connectionsTo(url, connections);
  return {
    ...createClient({ url, fetch: fetchThrough(own, timeoutMs) }),
    close: async () => (await own).agent.destroy(),
  };
};
