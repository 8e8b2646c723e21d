import { z } from 'zod';
import {
  handOverCompensation,
  retryCompensation,
  skipCompensation,
} from '../../commands/execution/resolve-compensation.ts';
import {
  HandOverCompensationInput,
  RetryCompensationInput,
  SkipCompensationInput,
} from '../../domain/execution/commands.ts';
import { COMPENSATION_STATES } from '../../domain/execution/compensation-state.ts';
import { AttemptError } from '../../domain/task/events.ts';
import {
  type CompensationFilter,
  countCompensations,
  listCompensations,
} from '../../projections/executions/compensations.ts';
import { compensationDebtsTable, PARKED_STATUSES } from '../../projections/executions/table.ts';
import { PARKED_EXECUTION } from './examples.ts';
import { textOf } from './filters.ts';
import { listOf, several } from './list.ts';
import { onExecution } from './on-execution.ts';
import type { Operation } from './operation.ts';
import { viewOf } from './view.ts';

const list = listOf({
  path: '/compensations',
  id: 'listCompensations',
  summary: 'List compensations that only a person can close, newest first',
  filter: {
    status: several(z.enum(COMPENSATION_STATES), 'Any of them; parked and handed_over when absent.'),
    workflow: textOf('Name of the workflow.'),
    executionId: textOf('Of this execution.'),
    handedOverTo: textOf('Who takes care of it.'),
    errorCode: textOf('Code of the error for which it was parked.'),
  },
  filterOf: ({ status, ...filter }) =>
    ({ ...filter, statuses: status ?? PARKED_STATUSES }) satisfies CompensationFilter,
  item: viewOf(compensationDebtsTable, { hides: [], json: { error: AttemptError } }),
  list: listCompensations,
  count: countCompensations,
});

export const COMPENSATION_OPERATIONS: readonly Operation[] = [
  list,
  onExecution({
    verb: 'compensations/hand-over',
    id: 'handOverCompensation',
    summary: 'Record who takes care of a parked compensation',
    description: 'It is still owed.',
    schema: HandOverCompensationInput,
    required: true,
    success: 'Handed over',
    example: { target: PARKED_EXECUTION, body: { unit: 'hotel', to: 'ada' } },
    command: handOverCompensation,
  }),
  onExecution({
    verb: 'compensations/skip',
    id: 'skipCompensation',
    summary: 'Close a parked compensation',
    description: 'It was done by hand, or is not needed. The reason is recorded.',
    schema: SkipCompensationInput,
    required: true,
    success: 'Closed',
    example: { target: PARKED_EXECUTION, body: { unit: 'hotel', reason: 'done by hand' } },
    command: skipCompensation,
  }),
  onExecution({
    verb: 'compensations/retry',
    id: 'retryCompensation',
    summary: 'Try a parked compensation again',
    description: 'With another input if one is sent.',
    schema: RetryCompensationInput,
    required: true,
    begins: true,
    success: 'Tried again; `Location` is the status of the execution',
    example: { target: PARKED_EXECUTION, body: { unit: 'flight' } },
    command: retryCompensation,
  }),
];
