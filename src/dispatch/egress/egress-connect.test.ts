import { createServer, type Server } from 'node:http';
import type { AddressInfo, LookupFunction } from 'node:net';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EgressDenied, type EgressPolicy, guardedConnector } from './egress.ts';
import { OwnOrigins } from './own-origins.ts';

let server: Server;
let port: number;
let connections = 0;
beforeAll(async () => {
  server = createServer((_, response) => response.end('reached'));
  server.on('connection', () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

const strict: EgressPolicy = { allowLoopback: false, allowPrivate: false };
const open: EgressPolicy = { allowLoopback: true, allowPrivate: false };

/** Answers each look-up with the next set of addresses. */
const answering = (...answers: string[][]): LookupFunction => {
  let turn = 0;
  return (_, __, callback) => {
    const addresses = answers[Math.min(turn, answers.length - 1)] ?? [];
    turn += 1;
    callback(null, addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })) as never);
  };
};

const reach = async (policy: EgressPolicy, host: string, lookup?: LookupFunction): Promise<string> => {
  const dispatcher = new Agent({ connect: guardedConnector(policy, lookup as never) });
  try {
    const { body } = await request(`http://${host}:${port}/`, { dispatcher });
    return await body.text();
  } catch (error) {
    return error instanceof EgressDenied ? error.rule : String(error);
  } finally {
    await dispatcher.destroy();
  }
};

describe('a connection to an agent', () => {
  it('is made to the address that a name resolves to, when that is allowed', async () => {
    await expect(reach(open, 'agent.example', answering(['127.0.0.1']))).resolves.toBe('reached');
    await expect(reach(open, '127.0.0.1')).resolves.toBe('reached');
    await expect(reach(open, 'localhost')).resolves.toBe('reached');
  });

  it.each([
    ['a literal', '127.0.0.1', undefined, 'loopback'],
    ['its decimal form', '2130706433', undefined, 'loopback'],
    ['IPv6 loopback', '[::1]', undefined, 'loopback'],
    ['mapped IPv4', '[::ffff:127.0.0.1]', undefined, 'loopback'],
    ['localhost', 'localhost', undefined, 'loopback'],
    ['localhost with a dot', 'localhost.', answering(['127.0.0.1']), 'loopback'],
    ['a name that leads to loopback', 'agent.example', answering(['127.0.0.1']), 'loopback'],
    ['a name that leads inwards', 'agent.example', answering(['10.0.0.7']), 'private'],
    [
      'a name with a public and a private address',
      'agent.example',
      answering(['93.184.216.34', '10.0.0.7']),
      'private',
    ],
    ['a name with A and AAAA mixed', 'agent.example', answering(['93.184.216.34', '::1']), 'loopback'],
    ['the metadata service', 'metadata.internal', answering(['169.254.169.254']), 'reserved'],
  ])('is not made to %s', async (_, host, lookup, rule) => {
    const before = connections;
    await expect(reach(strict, host, lookup)).resolves.toBe(rule);
    expect(connections).toBe(before);
  });

  it('is given up when a name leads to ourselves, before anything is sent', async () => {
    const own = new OwnOrigins([`http://127.0.0.1:${port}`]);
    const lookup = answering(['127.0.0.1']);
    await expect(reach({ ...open, own }, 'agent.example', lookup)).resolves.toBe('own_origin');
    await expect(reach({ ...open, own }, 'localhost')).resolves.toBe('own_origin');
  });

  it('is checked by the address that it connects to, which defeats DNS rebinding', async () => {
    const rebinding = answering(['93.184.216.34'], ['127.0.0.1']);
    rebinding('agent.example', { all: true }, () => {}); // the first, harmless answer
    await expect(reach(strict, 'agent.example', rebinding)).resolves.toBe('loopback');
  });
});
