import { expect, it } from 'vitest';
import { CALLER, GATE } from '../../../test/support/execution-fixtures.ts';
import { commandsOver, fakeClock } from '../../../test/support/fake-ports.ts';
import { createMemoryEventStore } from '../../eventstore/memory-event-store.ts';
import { publishWorkflow } from '../workflow/publish-workflow.ts';
import { forkExecution } from './fork-execution.ts';
import { startChildExecution, startExecution } from './start-execution.ts';

const CHECKED = {
  ...GATE,
  inputSchema: { type: 'object', required: ['count'], properties: { count: { type: 'integer', minimum: 1 } } },
};
const START = { workflow: GATE.name };
const IDS = { child: '0190b5a4-5b9e-5cc1-8a52-3c6f6c9f0d11', parent: '0190b5a4-5b9e-5cc1-8a52-3c6f6c9f0d12' };

const setUp = async () => {
  const clock = fakeClock(undefined, 'immediate');
  const store = createMemoryEventStore({ clock });
  const commands = commandsOver(store, { clock });
  await publishWorkflow(commands, CALLER, CHECKED);
  return { commands, store };
};

it('an input that does not fit the schema of its workflow starts nothing, and is told by field', async () => {
  const { commands, store } = await setUp();
  const position = await store.head();
  await expect(startExecution(commands, CALLER, { ...START, input: { count: 0 } })).rejects.toMatchObject({
    code: 'BAD_USER_INPUT',
    issues: [
      {
        pointer: '/input/count',
        code: 'OUT_OF_RANGE',
        message: 'must be at least 1, got 0 (inputSchema of gate@1.0.0)',
      },
    ],
  });
  await expect(startExecution(commands, CALLER, START)).rejects.toMatchObject({
    issues: [{ pointer: '/input', code: 'WRONG_TYPE' }],
  });
  expect(await store.head()).toBe(position);
});

it('an input that fits starts an execution, whose fork is checked too', async () => {
  const { commands, store } = await setUp();
  const started = await startExecution(commands, CALLER, { ...START, input: { count: 1 } });
  if (!started.ok) throw new Error(started.rejection.reason);
  const fork = (input: unknown) => forkExecution(commands, store, CALLER, started.value.id, { input });
  await expect(fork({ count: 'x' })).rejects.toMatchObject({ issues: [{ pointer: '/input/count' }] });
  expect(await fork({ count: 2 })).toMatchObject({ ok: true });
});

it('a sub-workflow is checked as it starts, unless it is cancelled at once', async () => {
  const { commands } = await setUp();
  const child = {
    executionId: IDS.child,
    name: GATE.name,
    input: { count: 0 },
    parent: { executionId: IDS.parent, unit: 'sub' },
  };
  await expect(startChildExecution(commands, CALLER, child)).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
  expect(await startChildExecution(commands, CALLER, { ...child, unwanted: 'its parent aborts' })).toMatchObject({
    ok: true,
  });
});

it('a schema that is not allowed cannot be published', async () => {
  const { commands, store } = await setUp();
  const position = await store.head();
  const inputSchema = { properties: { sku: { type: 'string', pattern: '^(a+)+$' } } };
  await expect(publishWorkflow(commands, CALLER, { ...GATE, version: '1.1.0', inputSchema })).rejects.toMatchObject({
    issues: [{ pointer: '/inputSchema/properties/sku/pattern', code: 'KEYWORD_NOT_ALLOWED' }],
  });
  expect(await store.head()).toBe(position);
});
