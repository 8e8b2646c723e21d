import { pauseExecution } from '../../src/commands/execution/pause-execution.ts';
import { resumeExecution } from '../../src/commands/execution/resume-execution.ts';
import { startExecution } from '../../src/commands/execution/start-execution.ts';
import { publishWorkflow } from '../../src/commands/workflow/publish-workflow.ts';
import { executionStream } from '../../src/domain/ids.ts';
import type { StoredEvent } from '../../src/eventstore/event-store.ts';
import type { TestApi } from './api-harness.ts';

export const CALLER = { tenant: 'default', actor: 'test' } as const;

/** Waits until it is told to go. */
export const GATE = {
  name: 'gate',
  version: '1.0.0',
  tasks: [{ id: 'wait', waitFor: { kind: 'event', name: 'go' } }],
} as const;

const value = <T>(result: { ok: true; value: T } | { ok: false; rejection: { reason: string } }): T => {
  if (!result.ok) throw new Error(result.rejection.reason);
  return result.value;
};

/** An execution of `GATE`; returns its id. */
export const startGate = async ({ commands }: Pick<TestApi, 'commands'>): Promise<string> => {
  value(await publishWorkflow(commands, CALLER, GATE));
  return value(await startExecution(commands, CALLER, { workflow: GATE.name })).id;
};

/** Two events each. */
export const pauseAndResume = async ({ commands }: Pick<TestApi, 'commands'>, id: string, times: number, text = '') => {
  for (let i = 0; i < times; i += 1) {
    value(await pauseExecution(commands, CALLER, id, text === '' ? {} : { reason: text }));
    value(await resumeExecution(commands, CALLER, id));
  }
};

export const eventsOf = ({ store }: Pick<TestApi, 'store'>, id: string): Promise<StoredEvent[]> =>
  store.readStream(executionStream('default', id));
