import type { InputIssue } from '../../../platform/errors.ts';
import type { Builder } from './builder.ts';

/** What is wrong with one item of a list while the other items are accepted. */
export const addErrorTypes = (builder: Builder) => ({
  InputIssue: builder.objectRef<InputIssue>('InputIssue').implement({
    fields: (t) => ({
      pointer: t.exposeString('pointer', { description: 'JSON pointer to the bad value.' }),
      code: t.exposeString('code'),
      message: t.exposeString('message'),
    }),
  }),
});

export type ErrorTypes = ReturnType<typeof addErrorTypes>;
