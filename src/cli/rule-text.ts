/** A version of a rule, for people. */
export const ruleText = (rule: {
  readonly name: string;
  readonly version: number;
  readonly variant: string | null;
}): string => `rule ${rule.name} version ${rule.version}${rule.variant === null ? '' : `, variant ${rule.variant}`}`;
