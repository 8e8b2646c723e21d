import type { z } from 'zod';

/** One event type: its newest schema and that schema's version. Additive optional fields keep the version; anything else raises it. */
export type EventDefinition = { readonly schemaVersion: number; readonly schema: z.ZodType };
export type EventDefinitions = Readonly<Record<string, EventDefinition>>;

/** The union of `{type, data}` over a table of event definitions. */
export type EventOf<Definitions extends EventDefinitions> = {
  readonly [Type in keyof Definitions & string]: {
    readonly type: Type;
    readonly data: z.output<Definitions[Type]['schema']>;
  };
}[keyof Definitions & string];
