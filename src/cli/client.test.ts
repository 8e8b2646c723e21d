import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { connect } from './client.ts';

const DOCUMENT = { toString: () => '{ ok }' } as never;

const closings: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closings.splice(0)) await close();
});

const serve = async (listener: RequestListener) => {
  const server = createServer(listener);
  let connections = 0;
  server.on('connection', () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closings.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, connections: () => connections };
};

const clientOf = (url: string, timeoutMs?: number) => {
  const client = connect(url, timeoutMs === undefined ? {} : { timeoutMs });
  closings.push(() => client.close());
  return client;
};

const JSON_TYPE = { 'content-type': 'application/json' };
const STREAM_TYPE = { 'content-type': 'text/event-stream' };

describe('the client of the commands', () => {
  it('posts the document and its variables, over one connection', async () => {
    const bodies: string[] = [];
    const { url, connections } = await serve(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      bodies.push(`${request.method} ${request.url} ${request.headers['content-length']} ${body}`);
      response.writeHead(200, JSON_TYPE).end('{"data":{"ok":"€"}}');
    });
    const client = clientOf(url);
    expect(await client.execute(DOCUMENT, { a: 'ü' } as never)).toEqual({ ok: '€' });
    await client.execute(DOCUMENT, {} as never);
    expect(bodies[0]).toBe('POST /graphql 41 {"query":"{ ok }","variables":{"a":"ü"}}');
    expect(connections()).toBe(1);
  });

  it('says why it cannot connect', async () => {
    await expect(clientOf('http://127.0.0.1:1').execute(DOCUMENT, {} as never)).rejects.toMatchObject({
      code: 'UNREACHABLE',
      cause: { code: 'ECONNREFUSED' },
    });
  });

  it.each([
    ['a server that is silent', (() => {}) satisfies RequestListener],
    [
      'a server that stops in its answer',
      ((_, response) => response.writeHead(200, JSON_TYPE).write('{"data"')) satisfies RequestListener,
    ],
  ])('gives up on %s', async (_, listener) => {
    const { url } = await serve(listener);
    await expect(clientOf(url, 50).execute(DOCUMENT, {} as never)).rejects.toMatchObject({
      code: 'UNREACHABLE',
      cause: { code: 'ETIMEDOUT' },
    });
  });

  it('waits for the events of a stream, however long nothing happens', async () => {
    const { url } = await serve((_, response) => {
      response.writeHead(200, STREAM_TYPE).write(':\n\n');
      setTimeout(() => response.end('event: next\ndata: {"data":{"n":1}}\n\nevent: complete\n\n'), 150);
    });
    const results: unknown[] = [];
    for await (const result of clientOf(url, 50).subscribe(DOCUMENT, {} as never)) results.push(result);
    expect(results).toEqual([{ n: 1 }]);
  });

  it('ends a stream that its reader leaves', async () => {
    const left = new AbortController();
    let closed: () => void = () => {};
    const isClosed = new Promise<void>((resolve) => {
      closed = resolve;
    });
    const { url } = await serve((request, response) => {
      request.on('close', closed);
      response.writeHead(200, STREAM_TYPE).write('event: next\ndata: {"data":{"n":1}}\n\n');
    });
    for await (const _ of clientOf(url).subscribe(DOCUMENT, {} as never, { signal: left.signal })) left.abort();
    await isClosed;
  });
});
