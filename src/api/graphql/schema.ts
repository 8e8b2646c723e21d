import type { GraphQLSchema } from 'graphql';
import { createBuilder } from './builder.ts';
import { addEnums } from './enums.ts';
import { addErrorTypes } from './error-types.ts';
import { addTaskCommands } from './task-commands.ts';
import { addTaskQueries, addTaskTypes } from './tasks.ts';

/** Each feature adds its types and root fields; features that show another's types are handed them. */
export const createSchema = (): GraphQLSchema => {
  const builder = createBuilder();
  const enums = addEnums(builder);
  const errors = addErrorTypes(builder);
  const tasks = addTaskTypes(builder, enums);
  addTaskQueries(builder, tasks);
  addTaskCommands(builder, enums, tasks, errors);
  return builder.toSchema();
};
