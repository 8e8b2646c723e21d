import { describe, expect, it } from 'vitest';
import { CALLER, GATE } from '../../../test/support/execution-fixtures.ts';
import { commandsOver, fakeClock } from '../../../test/support/fake-ports.ts';
import { createMemoryEventStore } from '../../eventstore/memory-event-store.ts';
import { publishWorkflow } from '../workflow/publish-workflow.ts';
import { archiveWorkflow } from '../workflow/retire-workflow.ts';
import { forkExecution } from './fork-execution.ts';
import { startChildExecution, startExecution } from './start-execution.ts';

const WITH_KEY = { ...CALLER, idempotencyKey: 'k1' };
const START = { workflow: GATE.name, version: GATE.version };

const setUp = async () => {
  const clock = fakeClock(undefined, 'immediate');
  const store = createMemoryEventStore({ clock });
  const commands = commandsOver(store, { clock });
  await publishWorkflow(commands, CALLER, GATE);
  const archive = () => archiveWorkflow(commands, CALLER, GATE.name, { version: GATE.version });
  return { commands, store, archive };
};

const idOf = (result: Awaited<ReturnType<typeof startExecution>>): string => {
  if (!result.ok) throw new Error(result.rejection.reason);
  return result.value.id;
};

describe('after its version was archived', () => {
  it('a start with a key that was used before returns the first execution', async () => {
    const { commands, store, archive } = await setUp();
    const first = await startExecution(commands, WITH_KEY, START);
    const position = await store.head();
    await archive();
    expect(await startExecution(commands, WITH_KEY, START)).toEqual({
      ok: true,
      value: { id: idOf(first), position, repeated: true },
    });
  });

  it('a start by another process returns it too', async () => {
    const { commands, store, archive } = await setUp();
    const first = await startExecution(commands, WITH_KEY, START);
    await archive();
    const again = await startExecution(commandsOver(store), WITH_KEY, START);
    expect(again).toMatchObject({ ok: true, value: { id: idOf(first), repeated: true } });
  });

  it('that key with another body is still refused as reused', async () => {
    const { commands, archive } = await setUp();
    await startExecution(commands, WITH_KEY, START);
    await archive();
    await expect(startExecution(commands, WITH_KEY, { ...START, input: 1 })).rejects.toMatchObject({
      code: 'IDEMPOTENCY_KEY_REUSED',
    });
  });

  it('a start without a key, or with a new one, is refused', async () => {
    const { commands, archive } = await setUp();
    await archive();
    for (const caller of [CALLER, { ...CALLER, idempotencyKey: 'k2' }])
      await expect(startExecution(commands, caller, START)).rejects.toMatchObject({
        issues: [{ code: 'VERSION_ARCHIVED' }],
      });
  });

  it('a fork to it with a key that was used before returns the first fork', async () => {
    const { commands, store, archive } = await setUp();
    const id = idOf(await startExecution(commands, CALLER, START));
    const fork = () => forkExecution(commands, store, WITH_KEY, id, { version: GATE.version });
    const first = await fork();
    await archive();
    expect(await fork()).toMatchObject({ ok: true, value: { id: idOf(first), repeated: true } });
  });

  it('a sub-workflow that runs under it is neither started again nor reported as missing', async () => {
    const { commands, archive } = await setUp();
    const executionId = '00000000-0000-5000-8000-000000000001';
    const parent = { executionId: '00000000-0000-5000-8000-000000000002', unit: 'call' };
    const start = () =>
      startChildExecution(commands, CALLER, {
        executionId,
        name: GATE.name,
        version: GATE.version,
        input: null,
        parent,
      });
    expect((await start()).ok).toBe(true);
    await archive();
    expect(await start()).toEqual({ ok: false, rejection: { reason: 'ExecutionAlreadyExists' } });
  });
});
