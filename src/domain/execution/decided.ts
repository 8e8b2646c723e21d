import { z } from 'zod';
import type { Json } from '../json.ts';
import { stepNamed } from './find.ts';
import type { Running } from './state.ts';
import type { StepView } from './steps.ts';

/** What a person decided: the output of the step that waited for it. */
export const PersonalDecision = z.strictObject({ option: z.string(), by: z.string(), comment: z.string().optional() });
export type PersonalDecision = z.output<typeof PersonalDecision>;

/** A step may also end without one: after its time, when it goes on all the same. */
const decisionIn = (output: Json): PersonalDecision | undefined => PersonalDecision.safeParse(output).data;

/** The decision that the step got; undefined for every other step. */
export const decisionOf = ({ step, state }: StepView): PersonalDecision | undefined =>
  step.definition.waitFor?.kind === 'decision' && state.phase === 'completed'
    ? decisionIn(state.unit.output)
    : undefined;

/** The same of the event that completed the step. An event from outside may look like a decision, so the definition tells. */
export const decisionRecorded = (
  execution: Running,
  { stepId, output }: { readonly stepId: string; readonly output: Json },
): PersonalDecision | undefined =>
  stepNamed(execution, stepId)?.definition.waitFor?.kind === 'decision' ? decisionIn(output) : undefined;
