import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type AgentCard, generateAgentCardSignature } from '@a2a-js/sdk';
import { exportJWK, generateKeyPair } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAgentCardSource } from '../../src/dispatch/egress/agent-cards.ts';
import { type CardKeys, type CardSignatures, cardSignatures } from '../../src/dispatch/egress/card-signatures.ts';
import type { EgressPolicy } from '../../src/dispatch/egress/egress.ts';
import { AppError } from '../../src/platform/errors.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { type ScriptedAgent, startScriptedAgent } from '../support/scripted-agent.ts';

const sources = new Set<ReturnType<typeof createAgentCardSource>>();
const cardsWith = (egress: EgressPolicy, signatures?: CardSignatures): ReturnType<typeof createAgentCardSource> => {
  const source = createAgentCardSource({ egress, logger: createLogger('silent'), ...(signatures && { signatures }) });
  sources.add(source);
  return source;
};
const cards = cardsWith({ allowLoopback: true, allowPrivate: false });
const strict = cardsWith({ allowLoopback: false, allowPrivate: false });

const issueOf = async (url: string, source = cards): Promise<object | undefined> => {
  const error = await source.fetch(url).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(AppError);
  expect(error).toMatchObject({ code: 'BAD_USER_INPUT' });
  return (error as AppError).issues[0];
};

let agent: ScriptedAgent;
let server: Server;
let base: string;
const pages: Record<string, { status?: number; headers?: Record<string, string>; body: string | (() => string) }> = {};
beforeAll(async () => {
  agent = await startScriptedAgent(() => {});
  server = createServer((request, response) => {
    const page = pages[request.url ?? ''];
    if (!page) return response.writeHead(404).end();
    response.writeHead(page.status ?? 200, page.headers);
    response.end(typeof page.body === 'string' ? page.body : page.body());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await Promise.all([...sources].map((source) => source.close()));
  await agent.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const good = (url: string) => ({
  name: 'A',
  version: '1',
  supportedInterfaces: [{ url, protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
  skills: [{ id: 'one' }, { id: 'two' }],
});

describe('an agent card', () => {
  it('is found at its URL, at the well-known path of a server, and under another path', async () => {
    const facts = { name: 'Scripted agent', description: 'Does what the test says', skills: ['work'] };
    await expect(cards.fetch(agent.cardUrl)).resolves.toMatchObject(facts);
    await expect(cards.fetch(agent.url)).resolves.toMatchObject(facts);
    pages['/agents/a/.well-known/agent-card.json'] = { body: JSON.stringify(good(base)) };
    await expect(cards.fetch(`${base}/agents/a`)).resolves.toMatchObject({ name: 'A', skills: ['one', 'two'] });
    pages['/card'] = { body: JSON.stringify(good(base)) };
    await expect(cards.fetch(`${base}/card`)).resolves.toMatchObject({ name: 'A' });
  });

  it('is kept unchanged, with unknown fields', async () => {
    const card = { ...good(base), futureField: [1, 2, 3] };
    pages['/kept.json'] = { body: JSON.stringify(card) };
    await expect(cards.fetch(`${base}/kept.json`)).resolves.toMatchObject({ card });
  });

  it('must be signed by one of the keys where that is required', async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
    const keys = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k' }] } as CardKeys;
    const guarded = cardsWith({ allowLoopback: true, allowPrivate: false }, cardSignatures(keys, true));
    const sign = generateAgentCardSignature(privateKey, { alg: 'ES256', kid: 'k', typ: 'JOSE' });
    const signed = await sign(good(base) as unknown as AgentCard);
    pages['/signed.json'] = { body: JSON.stringify(signed) };
    pages['/changed.json'] = { body: JSON.stringify({ ...signed, name: 'B' }) };
    pages['/unsigned.json'] = { body: JSON.stringify(good(base)) };
    await expect(guarded.fetch(`${base}/signed.json`)).resolves.toMatchObject({ name: 'A' });
    expect(await issueOf(`${base}/changed.json`, guarded)).toMatchObject({ code: 'CARD_SIGNATURE_INVALID' });
    expect(await issueOf(`${base}/unsigned.json`, guarded)).toMatchObject({ code: 'CARD_UNSIGNED' });
  });

  it('of version 0.3 is accepted', async () => {
    const legacy = {
      protocolVersion: '0.3.0',
      name: 'Old',
      description: 'old',
      url: `${base}/a2a`,
      preferredTransport: 'JSONRPC',
      version: '1',
      capabilities: {},
      defaultInputModes: [],
      defaultOutputModes: [],
      skills: [{ id: 'old', name: 'old', description: 'old', tags: [] }],
    };
    pages['/old.json'] = { body: JSON.stringify(legacy) };
    await expect(cards.fetch(`${base}/old.json`)).resolves.toMatchObject({ name: 'Old', skills: ['old'] });
  });

  it.each<[string, (typeof pages)[string], RegExp]>([
    ['is not JSON', { body: '<html>' }, /not JSON/],
    ['is a list', { body: '[]' }, /not a JSON object/],
    ['is null', { body: 'null' }, /not a JSON object/],
    ['has no name', { body: JSON.stringify({ ...good('http://127.0.0.1/'), name: '' }) }, /\/name/],
    ['has no interfaces', { body: JSON.stringify({ ...good(''), supportedInterfaces: [] }) }, /\/supportedInterfaces/],
    [
      'speaks only gRPC',
      { body: JSON.stringify({ ...good(''), supportedInterfaces: [{ url: 'x', protocolBinding: 'GRPC' }] }) },
      /JSONRPC or HTTP\+JSON/,
    ],
    [
      'has a NUL',
      { body: JSON.stringify({ ...good('http://127.0.0.1/'), extra: '\u0000' }) },
      /INVALID_CHARACTER at \/extra/,
    ],
    [
      'has a forbidden key',
      { body: `{"__proto__":{},${JSON.stringify(good('http://127.0.0.1/')).slice(1)}` },
      /FORBIDDEN_KEY/,
    ],
    ['is too deep', { body: `{"name":${'['.repeat(100)}${']'.repeat(100)}}` }, /TOO_DEEP/],
    [
      'has 300 KiB',
      { body: JSON.stringify({ ...good('http://127.0.0.1/'), extra: 'x'.repeat(300_000) }) },
      /the limit is 262144/,
    ],
    ['has 2 MiB', { body: () => 'x'.repeat(2 * 1024 * 1024) }, /more than 1048576 bytes of JSON, the limit is 262144/],
    ['is elsewhere', { status: 302, headers: { location: '/card' }, body: '' }, /redirects are not followed/],
    ['cannot be served', { status: 500, body: '' }, /HTTP 500/],
  ])('that %s is refused with the reason', async (name, page, reason) => {
    const path = `/${encodeURIComponent(name)}.json`;
    pages[path] = page;
    expect(await issueOf(`${base}${path}`)).toEqual({
      pointer: '/cardUrl',
      code: 'AGENT_CARD_INVALID',
      message: expect.stringMatching(reason),
    });
  });

  it('that does not exist is refused', async () => {
    expect(await issueOf(`${base}/nowhere`)).toMatchObject({
      code: 'AGENT_CARD_INVALID',
      message: expect.stringMatching(/404/),
    });
    expect(await issueOf('http://127.0.0.1:9999/')).toMatchObject({ message: expect.stringMatching(/ECONNREFUSED/) });
  });

  it('is not fetched from a forbidden address', async () => {
    const refused = { pointer: '/cardUrl', code: 'URL_NOT_ALLOWED' };
    expect(await issueOf(agent.cardUrl, strict)).toMatchObject({
      ...refused,
      message: expect.stringMatching(/loopback/),
    });
    expect(await issueOf('http://localhost:9999/', strict)).toMatchObject({
      ...refused,
      message: expect.stringMatching(/loopback/),
    });
    expect(await issueOf('http://169.254.169.254/')).toMatchObject(refused);
    expect(await issueOf('http://user:pw@127.0.0.1/')).toMatchObject(refused);
    expect(agent.calls).toEqual([]);
  });

  it('may not point to a forbidden address', async () => {
    pages['/poisoned.json'] = { body: JSON.stringify(good('http://169.254.169.254/latest')) };
    expect(await issueOf(`${base}/poisoned.json`)).toMatchObject({
      code: 'URL_NOT_ALLOWED',
      message: expect.stringMatching(/interface of the card.*reserved/),
    });
  });
});
