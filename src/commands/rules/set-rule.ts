import type { Result } from '../../domain/result.ts';
import { type RuleCommand, RuleReasonInput, type RuleRejection } from '../../domain/rules/decider.ts';
import { RuleInput } from '../../domain/rules/rule.ts';
import { RuleName } from '../../domain/rules/rule-ref.ts';
import { notFound } from '../../platform/errors.ts';
import { type Accepted, type Caller, type Commands, contextOf, parseInput } from '../context.ts';
import { nowOf, RULES, run } from '../run.ts';

/** On the stream of all rules; the answer names the rule. */
const runOnRule = async (
  commands: Commands,
  caller: Caller,
  { name, command, body }: { readonly name: string; readonly command: RuleCommand; readonly body: unknown },
): Promise<Result<Accepted, RuleRejection>> => {
  const context = contextOf(commands, caller, `${command.type}/${name}`, body);
  const subject = { kind: 'rule', id: name };
  try {
    return await run(commands, caller, RULES, { id: name, command, now: command.now, context, subject });
  } finally {
    // Whatever came of it: what this process knows may be out of date.
    commands.routing?.changed(caller.tenant);
  }
};

/** Makes a rule, or a new version of it. The same content again changes nothing. */
export const setRule = async (
  commands: Commands,
  caller: Caller,
  input: unknown,
): Promise<Result<Accepted, RuleRejection>> => {
  const rule = parseInput(RuleInput, input);
  const command = { type: 'SetRoutingRule' as const, rule, now: nowOf(commands) };
  return runOnRule(commands, caller, { name: rule.name, command, body: rule });
};

const changing =
  (type: Exclude<RuleCommand['type'], 'SetRoutingRule'>) =>
  async (
    commands: Commands,
    caller: Caller,
    name: string,
    input: unknown = {},
  ): Promise<Result<Accepted, RuleRejection>> => {
    const body = parseInput(RuleReasonInput, input);
    if (!RuleName.safeParse(name).success) throw notFound('rule', JSON.stringify(name));
    const command = { type, name, ...body, now: nowOf(commands) };
    return runOnRule(commands, caller, { name, command, body });
  };

export const enableRule = changing('EnableRoutingRule');
/** It stays as it is, and decides about no task any more. */
export const disableRule = changing('DisableRoutingRule');
export const removeRule = changing('RemoveRoutingRule');
