import type { Kit } from '../kit/kit.ts';
import { addRuleCommands } from './commands.ts';
import { addRuleInputs } from './inputs.ts';
import { addRuleQueries } from './queries.ts';

export const addRules = ({ builder, enums, shared }: Kit): void => {
  const inputs = addRuleInputs(builder, enums);
  addRuleQueries(builder, shared, inputs);
  addRuleCommands(builder, inputs);
};
