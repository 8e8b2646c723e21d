import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Agent } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../platform/clock.ts';
import { TransportError } from '../transports/transport.ts';
import { createAgentFetch, networkFailure, retryAfterMs } from './agent-http.ts';

let server: Server;
let url: string;
let answer: RequestListener;
const connections = new Agent();
const agentFetch = createAgentFetch(connections, systemClock);
beforeAll(async () => {
  server = createServer((request, response) => answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
afterAll(async () => {
  await connections.destroy();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const STREAM = { accept: 'text/event-stream' };
const eventStream = { 'content-type': 'text/event-stream' };

const reasonOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => 'no error',
    (error: unknown) => error,
  );

const textOf = async (body: ReadableStream<Uint8Array> | null): Promise<string> => new Response(body).text();

describe('an event stream', () => {
  it('that stays open beyond the time limit of its call fails only its reader', async () => {
    answer = (_, response) => void response.writeHead(200, eventStream).write(': open\n\n');
    const limit = new AbortController();
    const response = await agentFetch(url, { headers: STREAM, signal: limit.signal });
    const reason = reasonOf(response.text());
    limit.abort(new DOMException('late', 'TimeoutError')); // as AbortSignal.timeout does
    expect(await reason).toMatchObject({ name: 'TimeoutError' });
  });

  it('that is cut off fails its reader with the error of the connection', async () => {
    answer = (_, response) => {
      response.writeHead(200, eventStream).write(': open\n\n');
      setTimeout(() => response.destroy(), 20);
    };
    const response = await agentFetch(url, { headers: STREAM });
    expect(networkFailure(await reasonOf(response.text()))).toMatchObject({ code: 'AGENT_CONNECTION_LOST' });
  });

  it('that was not requested is refused at once', async () => {
    answer = (_, response) => void response.writeHead(200, eventStream).write(': open\n\n');
    expect(await reasonOf(agentFetch(url, { headers: { accept: 'application/json' } }))).toMatchObject({
      code: 'AGENT_PROTOCOL_ERROR',
      message: 'HTTP 200 with content type "text/event-stream"',
    });
  });

  it('reaches its reader in whole lines, however it was split', async () => {
    const lines = `data: ${'ä'.repeat(10_000)}\n\ndata: end`;
    answer = async (_, response) => {
      response.writeHead(200, eventStream);
      const bytes = Buffer.from(lines);
      for (let at = 0; at < bytes.length; at += 1_001) {
        response.write(bytes.subarray(at, at + 1_001));
        await new Promise(setImmediate);
      }
      response.end();
    };
    const { body } = await agentFetch(url, { headers: STREAM });
    const [first, second] = (body as ReadableStream<Uint8Array>).tee();
    const pieces: string[] = [];
    for await (const piece of first as unknown as AsyncIterable<Uint8Array>)
      if (piece.length > 0) pieces.push(Buffer.from(piece).toString());
    expect(pieces.slice(0, -1).every((piece) => piece.endsWith('\n'))).toBe(true);
    expect(await textOf(second)).toBe(lines);
  });

  it('with an endless line is refused', async () => {
    answer = (_, response) => {
      response.writeHead(200, eventStream);
      const more = (error?: Error | null): void => {
        if (!error && !response.destroyed) response.write('x'.repeat(100_000), more);
      };
      more();
    };
    const response = await agentFetch(url, { headers: STREAM });
    expect(await reasonOf(response.text())).toMatchObject({ code: 'AGENT_RESPONSE_TOO_LARGE' });
  });
});

describe('a refusal', () => {
  it.each<[number, string]>([
    [200, 'text/html'],
    [200, ''],
    [404, 'application/json'],
    [404, 'text/plain'],
    [500, 'application/json'],
    [401, 'text/html'],
    [302, 'text/html'],
  ])('of HTTP %i with type "%s" does not quote the body', async (status, type) => {
    answer = (_, response) =>
      response.writeHead(status, type === '' ? {} : { 'content-type': type }).end('{"key":"s3cret"}');
    const error = await reasonOf(agentFetch(url));
    expect(error).toBeInstanceOf(TransportError);
    expect((error as Error).message).toMatch(new RegExp(`HTTP ${status}`));
    expect((error as Error).message).not.toContain('s3cret');
  });

  it('reports when the agent may be called again', async () => {
    answer = (_, response) => response.writeHead(429, { 'retry-after': '7' }).end();
    expect(await reasonOf(agentFetch(url))).toMatchObject({ code: 'AGENT_BUSY', retryAfterMs: 7_000 });
    answer = (_, response) => response.writeHead(503).end();
    expect(await reasonOf(agentFetch(url))).toMatchObject({ code: 'AGENT_HTTP_ERROR', retryAfterMs: undefined });
  });
});

describe('Retry-After', () => {
  const now = Date.parse('2026-03-01T12:00:00Z');
  it.each([
    ['120', 120_000],
    [' 5 ', 5_000],
    ['Sun, 01 Mar 2026 12:01:30 GMT', 90_000],
    ['Sun, 01 Mar 2026 11:00:00 GMT', undefined],
    ['0', undefined],
    ['-5', undefined],
    ['soon', undefined],
    ['', undefined],
    ['99999999999999999999', 86_400_000],
  ])('of "%s" asks for %s ms', (value, ms) => {
    expect(retryAfterMs(value, now)).toBe(ms);
  });
});

describe('an error without a specific name', () => {
  it.each<[string, unknown]>([
    ['a time limit, whose code is a number', new DOMException('late', 'TimeoutError')],
    ['several errors, one of them such', new AggregateError([new DOMException('late', 'AbortError')])],
    ['a code that is no text', Object.assign(new Error('odd'), { code: { toString: null } })],
    ['nothing', undefined],
    ['null', null],
  ])('is not a network failure: %s', (_, error) => {
    expect(networkFailure(error)).toBeUndefined();
  });
});
