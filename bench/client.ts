import { createClient, type Fetch } from 'baton-client';
import { Agent, request } from 'undici';
import type { Client, ClientOptions } from '#baton/cli/client.js';

/** undici's `request` costs half of its `fetch`, and less than the commands' client, which starts faster. */
const fetchThrough =
  (dispatcher: Agent, timeoutMs: number): Fetch =>
  async (url, { method, headers, body: content, signal }) => {
    const {
      statusCode,
      headers: answered,
      body,
    } = await request(url, {
      method,
      headers,
      body: content,
      dispatcher,
      headersTimeout: timeoutMs,
      bodyTimeout: headers['accept'] === 'text/event-stream' ? 0 : timeoutMs,
      ...(signal === undefined ? {} : { signal }),
    });
    body.on('error', () => {}); // a stream that is left before its end
    return {
      status: statusCode,
      headers: { get: (name) => answered[name]?.toString() ?? null },
      body,
      text: () => body.text(),
    };
  };

/** A client with connections of its own. */
export const connect = (url: string, { connections = 8, timeoutMs = 30_000 }: ClientOptions = {}): Client => {
  const agent = new Agent({ connections, connectTimeout: 5_000 });
  return { ...createClient({ url, fetch: fetchThrough(agent, timeoutMs) }), close: () => agent.destroy() };
};
