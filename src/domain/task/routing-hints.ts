import { z } from 'zod';
import { AgentId } from '../ids.ts';
import { type Json, text } from '../json.ts';
import type { StrategyName } from '../routing/strategies.ts';

const MAX_KEY = 200;
const MAX_TARGETS = 20;
const Specialisation = text({ min: 1, max: 64 });

/** What a task may say about the agent that it should get; each strategy uses what it needs. */
export const ROUTING_HINTS = {
  /** Tasks with the same key belong together. Absent: those of one execution do, else those of one submitter. */
  affinityKey: text({ min: 1, max: MAX_KEY }).optional(),
  /** The kind of the work. Absent: the `task_type` or `taskType` of the input. */
  specialisation: Specialisation.optional(),
  /** Agents in the order in which they are to be tried. */
  targets: z
    .array(AgentId)
    .min(1)
    .max(MAX_TARGETS)
    .refine((targets) => new Set(targets).size === targets.length, 'must not repeat an agent')
    .optional(),
} as const;

type Hints = z.output<z.ZodObject<typeof ROUTING_HINTS>>;

/** What the input says about its kind, if anything. */
const kindOf = (input: Json): string | undefined => {
  if (input === null || typeof input !== 'object' || Array.isArray(input)) return undefined;
  const { task_type, taskType } = input as { readonly task_type?: Json; readonly taskType?: Json };
  const kind = Specialisation.safeParse(task_type ?? taskType);
  return kind.success ? kind.data : undefined;
};

/** The kind of the work, for the strategy that goes by it. */
export const specialisationOf = (
  strategy: string,
  input: Json,
  given?: string | undefined,
): Pick<Hints, 'specialisation'> => {
  const specialisation = given ?? (strategy === ('content_based' satisfies StrategyName) ? kindOf(input) : undefined);
  return specialisation === undefined ? {} : { specialisation };
};

const KEYED: readonly string[] = ['affinity', 'consistent_hash'] satisfies readonly StrategyName[];

/** The key of a task that belongs to no execution, for the strategies that go by it. */
export const affinityKeyOf = (
  strategy: string,
  submitter: string,
  given: string | undefined,
): Pick<Hints, 'affinityKey'> => {
  const affinityKey = given ?? (KEYED.includes(strategy) ? submitter.slice(0, MAX_KEY) : undefined);
  return affinityKey === undefined ? {} : { affinityKey };
};

/** The hints that are there, without those that are not. */
export const hintsOf = ({ affinityKey, specialisation, targets }: Hints): Hints => ({
  ...(affinityKey === undefined ? {} : { affinityKey }),
  ...(specialisation === undefined ? {} : { specialisation }),
  ...(targets === undefined ? {} : { targets }),
});
