import { rulesStream } from '../../domain/ids.ts';
import type { Rule } from '../../domain/rules/decider.ts';
import { compareRules } from '../../domain/rules/rule-set.ts';
import type { Commands } from '../context.ts';

/** The rules of a tenant, in the order in which they are asked; read from the log. */
export const listRules = async (commands: Pick<Commands, 'rules'>, tenant: string): Promise<Rule[]> => {
  const { rules } = await commands.rules.load(rulesStream(tenant), { fresh: true });
  return [...rules.values()].sort(compareRules);
};
