import { closestName } from '../../did-you-mean.ts';
import { ok, rejected } from '../../result.ts';
import type { Step } from '../../workflow/compile.ts';
import { judgeStep } from '../abort.ts';
import { advance } from '../advance.ts';
import type { CommandOf } from '../commands.ts';
import type { Decision } from '../decision.ts';
import { errorOf } from '../errors.ts';
import { stepNamed } from '../find.ts';
import { completeStep } from '../start-steps.ts';
import { hasEnded, type Running, statusOf } from '../state.ts';
import { Turn } from '../turn.ts';

/** Events from outside that an execution keeps until a step waits for them. */
export const MAX_SIGNALS = 1_000;

/** Names of events that a refusal lists. */
const MAX_NAMES = 20;
/** Names that are compared with a wrong one: a comparison takes time in proportion to the product of their lengths. */
const MAX_COMPARED = 200;

/** Every event that a step waits for: by the definition, sooner or later; or now, perhaps under the name from before a migration. */
const awaitedNames = (execution: Running): Set<string> =>
  new Set(
    execution.compiled.steps.flatMap(({ index, definition: { waitFor } }) => {
      const { waiting } = execution.steps.get(index);
      return [
        ...(waitFor?.kind === 'event' ? [waitFor.name] : []),
        ...(waiting?.kind === 'event' && waiting.name !== undefined ? [waiting.name] : []),
      ];
    }),
  );

const unknownSignal = (name: string, known: readonly string[]): Decision => {
  const suggestion = closestName(name, known.slice(0, MAX_COMPARED));
  return rejected({
    reason: 'UnknownSignal',
    name,
    names: known.slice(0, MAX_NAMES),
    ...(suggestion === undefined ? {} : { suggestion }),
  });
};

const DEFAULT_OPTIONS = ['approved', 'rejected'] as const;

export const signal = ({ name, payload, now, routing }: CommandOf<'SignalExecution'>, execution: Running): Decision => {
  const status = statusOf(execution);
  if (hasEnded(execution)) return rejected({ reason: 'ExecutionEnded', status });
  const awaited = awaitedNames(execution);
  if (!awaited.has(name)) return unknownSignal(name, [...awaited]);
  if (execution.signals.length >= MAX_SIGNALS) return rejected({ reason: 'TooManySignals', limit: MAX_SIGNALS });
  const turn = new Turn(execution, now, routing);
  const { executionId } = execution;
  turn.emit({ type: 'ExecutionSignalled', data: { executionId, name, payload, signalledAt: now } });
  const waits = execution.compiled.steps.find((step) => {
    const { waiting, phase } = execution.steps.get(step.index);
    return phase === 'waiting' && waiting?.kind === 'event' && waiting.name === name;
  });
  if (waits) completeStep(turn, waits.id, payload);
  advance(turn);
  return ok(turn);
};

export const decideStep = (command: CommandOf<'DecideStep'>, execution: Running): Decision => {
  const { step: id, option, comment, by, now, routing } = command;
  const step = stepNamed(execution, id);
  if (step === undefined) return rejected({ reason: 'StepNotFound', step: id });
  const { phase, waiting } = execution.steps.get(step.index);
  if (phase !== 'waiting' || waiting?.kind !== 'decision')
    return rejected({ reason: 'StepNotWaiting', step: id, status: phase });
  const options = waiting.options ?? DEFAULT_OPTIONS;
  if (!options.includes(option)) return rejected({ reason: 'UnknownOption', step: id, options });
  const turn = new Turn(execution, now, routing);
  completeStep(turn, id, { option, by, ...(comment === undefined ? {} : { comment }) });
  advance(turn);
  return ok(turn);
};

const failWait = (turn: Turn, step: Step, error: ReturnType<typeof errorOf>): void => {
  turn.emit({
    type: 'StepFailed',
    data: { executionId: turn.state.executionId, stepId: step.id, error, failedAt: turn.now },
  });
  judgeStep(turn, step, step.id);
};

const isDue = (execution: Running, { index }: Step, { dueMs, now }: CommandOf<'WakeStep'>): boolean => {
  const { phase, waiting } = execution.steps.get(index);
  if (phase !== 'waiting' || waiting?.dueMs === undefined) return false;
  return waiting.dueMs === dueMs || waiting.dueMs <= Date.parse(now);
};

export const wake = (command: CommandOf<'WakeStep'>, execution: Running): Decision => {
  const { step: id, now, routing } = command;
  const named = stepNamed(execution, id);
  // A timer may carry the name from before a migration: any step that is due may be woken.
  const step =
    named && isDue(execution, named, command)
      ? named
      : execution.compiled.steps.find((other) => isDue(execution, other, command));
  if (step === undefined) return ok({ events: [], state: execution });
  const { waiting } = execution.steps.get(step.index);
  const turn = new Turn(execution, now, routing);
  if (waiting?.kind === 'delay') completeStep(turn, step.id, null);
  else failWait(turn, step, errorOf('WAIT_TIMED_OUT', `${waiting?.name ?? step.id} did not come in time`));
  advance(turn);
  return ok(turn);
};

export const closeChild = (
  { childId, outcome, now, routing }: CommandOf<'CloseChild'>,
  execution: Running,
): Decision => {
  // By the child, not by the step's name, which a migration may have changed since the child was started.
  const step = execution.compiled.steps.find(({ index }) => execution.steps.get(index).waiting?.childId === childId);
  if (step === undefined) return ok({ events: [], state: execution });
  const turn = new Turn(execution, now, routing);
  if (outcome.status === 'completed') completeStep(turn, step.id, outcome.output);
  else failWait(turn, step, outcome.error);
  advance(turn);
  return ok(turn);
};
