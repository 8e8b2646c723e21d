import {
  HandOverCompensationInput,
  RetryCompensationInput,
  SkipCompensationInput,
} from '../../domain/execution/commands.ts';
import { executionCommand } from '../run.ts';

/** Tries a parked compensation again, with another input if the caller sends one. */
export const retryCompensation = executionCommand(RetryCompensationInput, (body, now) => ({
  type: 'RetryCompensation',
  ...body,
  now,
}));

/** Closes a parked compensation: it was done by hand, or is not needed. The reason is kept. */
export const skipCompensation = executionCommand(SkipCompensationInput, (body, now) => ({
  type: 'SkipCompensation',
  ...body,
  now,
}));

/** Records who takes care of a parked compensation; it stays parked until they are done. */
export const handOverCompensation = executionCommand(HandOverCompensationInput, (body, now) => ({
  type: 'HandOverCompensation',
  ...body,
  now,
}));
