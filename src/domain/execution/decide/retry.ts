import { ok, rejected } from '../../result.ts';
import type { Step } from '../../workflow/compile.ts';
import { advance } from '../advance.ts';
import type { CommandOf } from '../commands.ts';
import type { Decision } from '../decision.ts';
import { stepNamed } from '../find.ts';
import { startWithInput } from '../start-steps.ts';
import { hasEnded, type Running, type StepPhase, statusOf } from '../state.ts';
import { Turn } from '../turn.ts';

const BLOCKING: ReadonlySet<StepPhase> = new Set(['failed', 'indeterminate', 'cancelled']);

/** Steps that a failed execution cannot go on without. */
const blockers = ({ compiled, steps }: Running): Step[] =>
  compiled.steps.filter((step) => {
    const { phase } = steps.get(step.index);
    return BLOCKING.has(phase) && (phase === 'cancelled' || step.definition.onFailure === 'fail');
  });

const reopen = (turn: Turn, steps: readonly Step[]): void =>
  turn.emit({
    type: 'ExecutionReopened',
    data: {
      executionId: turn.state.executionId,
      steps: steps.map(({ id }) => id),
      reopenedAt: turn.now,
    },
  });

export const retry = ({ step: id, input, now, routing }: CommandOf<'RetryExecution'>, execution: Running): Decision => {
  const status = statusOf(execution);
  if (status !== 'failed') return rejected({ reason: 'ExecutionNotRetryable', status });
  const steps = blockers(execution);
  const named = id === undefined ? undefined : stepNamed(execution, id);
  if (id !== undefined && named === undefined) return rejected({ reason: 'StepNotFound', step: id });
  if (named && !steps.includes(named))
    return rejected({ reason: 'StepNotRetryable', step: named.id, status: execution.steps.get(named.index).phase });
  if (input !== undefined && (named === undefined || named.kind !== 'agent' || named.items !== undefined))
    return rejected({ reason: 'StepTakesNoInput', step: id ?? '' });
  const turn = new Turn(execution, now, routing);
  reopen(turn, steps);
  if (input !== undefined && named) startWithInput(turn, named, input);
  advance(turn);
  return ok(turn);
};

const SKIPPABLE: ReadonlySet<StepPhase> = new Set(['pending', 'waiting', 'failed', 'indeterminate', 'cancelled']);

export const skip = ({ step: id, reason, now, routing }: CommandOf<'SkipStep'>, execution: Running): Decision => {
  const status = statusOf(execution);
  const step = stepNamed(execution, id);
  if (step === undefined) return rejected({ reason: 'StepNotFound', step: id });
  const failed = status === 'failed';
  if (!failed && (hasEnded(execution) || execution.abort !== undefined || status === 'compensation_failed'))
    return rejected({ reason: 'ExecutionEnded', status });
  const { phase, waiting } = execution.steps.get(step.index);
  if (!SKIPPABLE.has(phase) || waiting?.kind === 'workflow')
    return rejected({ reason: 'StepNotSkippable', step: id, status: phase });
  const turn = new Turn(execution, now, routing);
  if (failed)
    reopen(
      turn,
      blockers(execution).filter((blocker) => blocker !== step),
    );
  turn.emit({
    type: 'StepSkipped',
    data: { executionId: execution.executionId, stepId: id, reason: 'person', comment: reason, skippedAt: now },
  });
  advance(turn);
  return ok(turn);
};
