import type { Json } from '../json.ts';
import type { Workflow } from '../workflow/compile.ts';
import type { ReusedStep } from './events.ts';
import { isSatisfied, type Running, type StepState } from './state.ts';

export type ForkChanges = {
  /** Steps to be done again although they had ended. */
  readonly rerun: readonly string[];
  readonly inputs: Readonly<Record<string, Json>> | undefined;
};

const statusOfReused = ({ phase }: StepState): ReusedStep['status'] =>
  phase === 'completed' || phase === 'skipped' ? phase : 'failed';

/** Steps whose output a step that is still to run, or the execution's output, may read. */
const readBy = (workflow: Workflow, reused: ReadonlySet<string>): ReadonlySet<string> => {
  const read = new Set<string>();
  for (const step of workflow.steps) {
    if (reused.has(step.id)) continue;
    for (const id of step.definition.dependsOn) read.add(id);
    const expressions = [
      step.when,
      step.items,
      ...(step.input?.expressions ?? []),
      ...(step.compensation?.input?.expressions ?? []),
    ];
    for (const expression of expressions) for (const id of expression?.taskIds ?? []) read.add(id);
  }
  if (workflow.output) for (const { taskIds } of workflow.output.expressions) for (const id of taskIds) read.add(id);
  else for (const index of workflow.sinks) read.add(workflow.steps[index]?.id as string);
  return read;
};

/**
 * What a fork takes over from an execution as it was: every step that had ended well, all of whose dependencies are taken over too, and
 * that is not to be run again. Outputs come along only where they may still be read; the others stay in the stream they came from.
 */
export const reusedSteps = (source: Running, target: Workflow, { rerun, inputs = {} }: ForkChanges): ReusedStep[] => {
  const again = new Set([...rerun, ...Object.keys(inputs)]);
  const reused = new Set<string>();
  for (let at = 0; at < target.plan.order.length; at += 1) {
    const step = target.steps[target.plan.order[at] as number];
    const index = step && source.compiled.indexOf.get(step.id);
    if (step === undefined || index === undefined || again.has(step.id)) continue;
    const ended = isSatisfied(source.steps.get(index), step.definition.onFailure);
    if (ended && step.definition.dependsOn.every((id) => reused.has(id))) reused.add(step.id);
  }
  const read = readBy(target, reused);
  return [...reused].map((stepId) => {
    const state = source.steps.get(source.compiled.indexOf.get(stepId) as number);
    const { output, agentId, task } = state.unit;
    return {
      stepId,
      status: statusOfReused(state),
      ...(state.passedOver ? { passedOver: true as const } : {}),
      ...(read.has(stepId) && state.phase === 'completed' ? { output } : {}),
      ...(agentId === undefined ? {} : { agentId }),
      ...(task === undefined ? {} : { taskId: task.submitted.taskId }),
    };
  });
};
