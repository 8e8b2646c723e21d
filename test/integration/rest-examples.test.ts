import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { DEAD_LETTER, FAILED_EXECUTION, PARKED_EXECUTION, WORKFLOW } from '../../src/api/rest/examples.ts';
import { openApiDocument } from '../../src/api/rest/openapi.ts';
import { OPERATIONS } from '../../src/api/rest/operations.ts';
import { decideStep } from '../../src/commands/execution/decide-step.ts';
import { signalExecution } from '../../src/commands/execution/signal-execution.ts';
import { startExecution } from '../../src/commands/execution/start-execution.ts';
import { failAttempt } from '../../src/commands/task/close-attempt.ts';
import { type ApiWithReadModels, startApiWithReadModels } from '../support/api-setup.ts';
import { CALLER } from '../support/execution-fixtures.ts';
import { accepted, BROKEN, TRIP, workingFor } from '../support/saga.ts';

let api: ApiWithReadModels;
beforeAll(async () => {
  api = await startApiWithReadModels();
});
afterAll(() => api.stop());

const startAs = async (idempotencyKey: string, workflow: string): Promise<void> => {
  accepted(await startExecution(api.commands, { ...CALLER, idempotencyKey }, { workflow }));
};

/** What agents would have done by then, before the examples of these operations. */
const PREPARED: Readonly<Record<string, () => Promise<void>>> = {
  async redriveTask() {
    const attempt = { taskId: DEAD_LETTER, attempt: 1, agentId: 'agent-1' };
    accepted(await failAttempt(api.commands, CALLER, attempt, { error: BROKEN, durationMs: 1 }));
  },
  async retryExecution() {
    await startAs('order-4713', WORKFLOW.name);
    for (const name of ['invoice-received', 'delivered'])
      accepted(await signalExecution(api.commands, CALLER, FAILED_EXECUTION, { name }));
    accepted(await decideStep(api.commands, CALLER, FAILED_EXECUTION, { step: 'approve', option: 'approved' }));
    await workingFor(api.commands).fail(FAILED_EXECUTION, 'pay');
  },
  async handOverCompensation() {
    const work = workingFor(api.commands);
    await work.publish(TRIP);
    await startAs('trip-1', TRIP.name);
    await work.complete(PARKED_EXECUTION, 'flight');
    await work.complete(PARKED_EXECUTION, 'hotel');
    await work.fail(PARKED_EXECUTION, 'mail');
    await work.fail(PARKED_EXECUTION, '~hotel');
  },
  async retryCompensation() {
    await workingFor(api.commands).fail(PARKED_EXECUTION, '~flight');
  },
};

type Parameter = { readonly in: string; readonly name: string; readonly example?: string | readonly string[] };
type Documented = {
  readonly operationId?: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly example?: unknown }>> };
  readonly responses: Readonly<Record<string, unknown>>;
};

/** Sends what the document shows, and nothing else. */
const sendExample = async (method: string, path: string, { parameters = [], requestBody }: Documented) => {
  const shown = parameters.filter(({ example }) => example !== undefined);
  const query = shown.filter((parameter) => parameter.in === 'query');
  const search = new URLSearchParams(
    query.flatMap(({ name, example }) => [example ?? []].flat().map((value) => [name, value])),
  );
  const named = (place: string) =>
    Object.fromEntries(shown.filter((one) => one.in === place).map(({ name, example }) => [name, String(example)]));
  const body = requestBody?.content['application/json']?.example;
  const url = `${api.url}${path.replaceAll(/\{(\w+)\}/g, (_, name) => named('path')[name] ?? `no example of ${name}`)}?${search}`;
  const request = {
    method,
    headers: { ...named('header'), ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  };
  return vi.waitFor(
    async () => {
      const response = await fetch(url, request);
      // The projections may join only now, and find a log that is not empty: until they have read it there is nothing to show.
      if (response.status === 503) throw new Error(await response.text());
      return { status: response.status, body: await response.json() };
    },
    { timeout: 10_000, interval: 20 },
  );
};

describe('every example of the OpenAPI document', () => {
  const routes = Object.entries(openApiDocument('1').paths ?? {}).flatMap(([path, item]) =>
    Object.entries(item as Record<string, Documented>).map(([method, documented]) => ({ path, method, documented })),
  );

  it.each(routes)('works, in their order: $method $path', async ({ path, method, documented }) => {
    await PREPARED[documented.operationId ?? '']?.();
    const answer = await sendExample(method.toUpperCase(), path, documented);
    const operation = OPERATIONS.find(
      (one) => [one.path, one.alsoAt].some((own) => path === `/api/v1${own}`) && one.method === method,
    );
    expect(answer, JSON.stringify(answer.body)).toMatchObject({ status: operation?.success.status });
    expect(operation?.success.schema?.safeParse(answer.body).error?.issues ?? []).toEqual([]);
  });
});
