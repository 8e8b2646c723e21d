import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { submitTask } from '../../src/commands/task/submit-task.ts';
import { emissionFactor } from '../../src/examples/carbon/factors.ts';
import { type CarbonAgent, spawnCarbonAgent } from '../../src/examples/carbon/spawn-agent.ts';
import { generateSuppliers } from '../../src/examples/carbon/suppliers.ts';
import { caller, DispatchTest } from '../support/dispatch-setup.ts';

let test: DispatchTest;
let directory: string;
let agent: CarbonAgent;
let beats: string[];
const baton = createServer((request, response) => {
  beats.push(`${request.method} ${request.url}`);
  response.writeHead(204).end();
});

const journal = async (): Promise<{ effectKey: string; attempt: number; applied: boolean }[]> => {
  const text = await readFile(join(directory, 'journal'), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
};

beforeAll(async () => {
  beats = [];
  directory = await mkdtemp(join(tmpdir(), 'baton-carbon-'));
  baton.listen(0, '127.0.0.1');
  await once(baton, 'listening');
  agent = await spawnCarbonAgent('emission-factors', {
    agentId: 'factors',
    journal: join(directory, 'journal'),
    dedupe: true,
    heartbeat: { batonUrl: `http://127.0.0.1:${(baton.address() as AddressInfo).port}`, intervalMs: 100 },
  });
});
afterAll(async () => {
  await agent.stop();
  baton.closeAllConnections();
  baton.close();
  await rm(directory, { recursive: true });
});
beforeEach(() => {
  test = new DispatchTest();
});
afterEach(() => test.close());

const submit = async (capability: string, input: unknown): Promise<string> => {
  const result = await submitTask(test.commands, caller, { capability, input, retry: { maxAttempts: 3 } });
  if (!result.ok) throw new Error(result.rejection.reason);
  return result.value.id;
};

const register = (options: object = {}) =>
  test.registerRemote('factors', agent.cardUrl, { capabilities: undefined, ...options });

describe('a carbon agent in a process of its own', () => {
  it('declares its skills in its card and answers with the figures', async () => {
    await register();
    await test.dispatcher();
    const state = await test.commands.agents.load('agent-default.factors');
    expect(state).toMatchObject({
      profile: { capabilities: [{ name: 'footprint' }, { name: 'emission-factor.lookup' }], name: 'emission-factors' },
    });
    const [supplier] = generateSuppliers(7, 1);
    const taskId = await submit('footprint', supplier);
    await test.queues.attempts.offer([test.job(taskId, 'factors', 'a2a')]);
    const { data } = await test.outcome(taskId);
    const grams = emissionFactor(supplier!.country)!;
    expect(data).toMatchObject({
      result: {
        ...supplier,
        gCO2PerKWh: grams,
        tonnesCO2e: Math.round(supplier!.kWh * grams) / 1e6,
        agent: 'emission-factors',
      },
    });
    expect((data as unknown as { result: { checks: { ok: boolean }[] } }).result.checks.every(({ ok }) => ok)).toBe(
      true,
    );
    expect(await journal()).toMatchObject([{ effectKey: taskId, attempt: 1, applied: true }]);
  });

  it('is called over REST when its card names only that', async () => {
    await register();
    await test.dispatcher();
    const { profile } = (await test.commands.agents.load('agent-default.factors')) as {
      profile: { transport: { card: object } };
    };
    const card = profile.transport.card as { supportedInterfaces: { protocolBinding: string }[] };
    const rest = card.supportedInterfaces.filter(({ protocolBinding }) => protocolBinding === 'HTTP+JSON');
    test.commands.cards.fetch = async () => ({
      name: 'rest',
      description: undefined,
      skills: ['footprint'],
      card: { ...card, supportedInterfaces: rest } as never,
    });
    await test.registerRemote('resting', agent.cardUrl, { capabilities: undefined });
    const taskId = await submit('footprint', { supplier: 'R', country: 'DEU', kWh: 1 });
    await test.queues.attempts.offer([test.job(taskId, 'resting', 'a2a')]);
    await expect(test.outcome(taskId)).resolves.toMatchObject({ data: { result: { country: 'DEU' } } });
  });

  it.each([
    [{ supplier: 'X', country: 'ATA', kWh: 1 }, 'UNKNOWN_COUNTRY'],
    [{ supplier: 'X', country: 'Germany', kWh: 1 }, 'BAD_INPUT'],
    [{ supplier: 'X', country: 'DEU', kWh: -1 }, 'BAD_INPUT'],
    ['text', 'BAD_INPUT'],
  ])('refuses %j permanently', async (input, code) => {
    await register();
    await test.dispatcher();
    const taskId = await submit('footprint', input);
    await test.queues.attempts.offer([test.job(taskId, 'factors', 'a2a')]);
    await expect(test.outcome(taskId, 'TaskDeadLettered')).resolves.toMatchObject({
      data: { reason: 'not_retryable', attempts: 1, error: { code, source: 'agent' } },
    });
  });

  it('applies its effect once, however often it is called', async () => {
    await register({ delivery: 'effectively_once' });
    const taskId = await submit('footprint', { supplier: 'S', country: 'FRA', kWh: 5 });
    // Two processes that each believe to hold the attempt, as after a stall.
    await test.dispatcher();
    await test.queues.attempts.offer([test.job(taskId, 'factors', 'a2a')]);
    await test.outcome(taskId);
    const { result } = (await test.outcome(taskId)).data as unknown as { result: unknown };
    const request = {
      jsonrpc: '2.0',
      id: 1,
      method: 'SendMessage',
      params: {
        message: {
          messageId: 'again',
          role: 'ROLE_USER',
          parts: [{ data: {} }],
          metadata: { effectKey: taskId, attempt: 1, capability: 'footprint' },
        },
      },
    };
    const answer = await fetch(`${agent.url}/a2a/json-rpc`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'A2A-Version': '1.0' },
      body: JSON.stringify(request),
    });
    const body = (await answer.json()) as { result: { message: { parts: { data: unknown }[] } } };
    expect(body.result.message.parts[0]!.data).toEqual(result);
    const calls = (await journal()).filter(({ effectKey }) => effectKey === taskId);
    expect(calls.map(({ applied }) => applied)).toEqual([true, false]);
  });

  it('sends heartbeats to Baton', async () => {
    await expect.poll(() => beats.length).toBeGreaterThan(2);
    expect(new Set(beats)).toEqual(new Set(['POST /agents/factors/heartbeat']));
  });
});
