import { commandIdOf, DEFAULT_TENANT, executionIdOf, taskIdOf } from '../../domain/ids.ts';

/** Ids follow from idempotency keys, so the examples name what those before them have made. */
const taskOf = (key: string): string => taskIdOf(commandIdOf(DEFAULT_TENANT, 'SubmitTask', key));
const executionOf = (key: string): string => executionIdOf(commandIdOf(DEFAULT_TENANT, 'StartExecution', key));

/** The task of the examples. */
export const TASK_KEY = 'acme-2026-07';
export const TASK = taskOf(TASK_KEY);
/** A task of the bulk submission, and one that has to be a dead letter to be redriven. */
export const BULK_KEY = 'suppliers-2026-07';
export const BULK_TASK = taskOf(`${BULK_KEY}/0`);
export const DEAD_LETTER = taskOf(`${BULK_KEY}/1`);

export const AGENT = 'footprint-1';
export const POOL = 'default';
export const RULE = 'gold-customers';

/** Waits for events and for a person before it pays. */
export const WORKFLOW = {
  name: 'purchase',
  version: '1.0.0',
  tasks: [
    { id: 'invoice', waitFor: { kind: 'event', name: 'invoice-received' } },
    { id: 'approve', waitFor: { kind: 'decision', name: 'approval', options: ['approved', 'rejected'] } },
    { id: 'delivery', waitFor: { kind: 'event', name: 'delivered' } },
    { id: 'pay', dependsOn: ['invoice', 'approve'], capability: 'payment' },
  ],
} as const;
export const EXECUTION_KEY = 'order-4711';
export const EXECUTION = executionOf(EXECUTION_KEY);
/** An execution that copies what the other had done. */
export const FORK_KEY = 'order-4712';
export const FORK = executionIdOf(commandIdOf(DEFAULT_TENANT, `ForkExecution/${EXECUTION}`, FORK_KEY));
export const FAILED_EXECUTION = executionOf('order-4713');
export const PARKED_EXECUTION = executionOf('trip-1');
