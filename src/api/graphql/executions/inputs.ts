import type { z } from 'zod';
import type { ForkExecutionInput, StartExecutionInput } from '../../../domain/execution/commands.ts';
import type { Builder } from '../kit/builder.ts';
import { withoutNulls } from '../kit/command-field.ts';

export const addExecutionInputs = (builder: Builder) => ({
  StartExecutionInput: builder.inputType('StartExecutionInput', {
    fields: (t) => ({
      workflow: t.string({ required: true }),
      version: t.string({ description: 'When absent, the newest that is neither deprecated nor archived.' }),
      input: t.field({ type: 'JSON', description: 'At most 256 KiB.' }),
      tags: t.stringList({ description: 'At most 20.' }),
      inputs: t.field({
        type: 'JSON',
        description: 'Maps steps to inputs that replace those of the definition.',
      }),
    }),
  }),
  ForkExecutionInput: builder.inputType('ForkExecutionInput', {
    fields: (t) => ({
      revision: t.int({
        description: "Revision of the last event of the execution's stream to take over; the current one when absent.",
      }),
      version: t.string({ description: 'Another version of the workflow.' }),
      input: t.field({ type: 'JSON' }),
      inputs: t.field({ type: 'JSON', description: 'Maps steps to new inputs; these steps run again.' }),
      rerun: t.stringList({
        description: 'Steps to run again although they had completed, with everything that depends on them.',
      }),
    }),
  }),
});

export type ExecutionInputs = ReturnType<typeof addExecutionInputs>;

/** To GraphQL `inputs` is any JSON value; the command's schema checks that it is a record. */
type Loose<Input extends { inputs?: unknown }> = Omit<Input, 'inputs'> & { inputs?: never };

/** Checks at compile time that the API's input and the command's schema describe the same thing. */
export const startBody = (input: ExecutionInputs['StartExecutionInput']['$inferInput']) =>
  withoutNulls(input) as Loose<ReturnType<typeof withoutNulls<typeof input>>> satisfies z.input<
    typeof StartExecutionInput
  >;

export const forkBody = (input: ExecutionInputs['ForkExecutionInput']['$inferInput']) =>
  withoutNulls(input) as Loose<ReturnType<typeof withoutNulls<typeof input>>> satisfies z.input<
    typeof ForkExecutionInput
  >;
