import { type Builder, createBuilder } from './builder.ts';
import { type AddConnection, addConnections } from './connection.ts';
import { addEnums, type Enums } from './enums.ts';
import { addErrorTypes, type ErrorTypes } from './error-types.ts';
import { addSharedTypes, type SharedTypes } from './shared-types.ts';

/** What every feature builds its part of the schema with. */
export type Kit = {
  readonly builder: Builder;
  readonly enums: Enums;
  readonly errors: ErrorTypes;
  readonly shared: SharedTypes;
  readonly addConnection: AddConnection;
};

export const createKit = (): Kit => {
  const builder = createBuilder();
  return {
    builder,
    enums: addEnums(builder),
    errors: addErrorTypes(builder),
    shared: addSharedTypes(builder),
    addConnection: addConnections(builder),
  };
};
