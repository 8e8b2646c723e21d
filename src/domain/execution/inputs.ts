import { byteLengthOf, isDeeperThan, type Json, MAX_BUILT_DEPTH, MAX_PAYLOAD_BYTES } from '../json.ts';
import { ok, type Result, rejected } from '../result.ts';
import { roughBytes } from '../rough-bytes.ts';
import type { AttemptError } from '../task/events.ts';
import type { Budget } from '../workflow/budget.ts';
import type { Step } from '../workflow/compile.ts';
import type { Scope } from '../workflow/expression.ts';
import type { Template } from '../workflow/template.ts';
import { errorOf } from './errors.ts';
import type { Running, StepState } from './state.ts';

/** Below this many rough bytes a payload cannot exceed its limit: a character takes at most 6 bytes of JSON (`\u001f`). */
const SURELY_SMALL = MAX_PAYLOAD_BYTES / 6;

/** Above this many it must: a value counts for 16, and takes at least 2 bytes. Its JSON could be longer than a string can be. */
const SURELY_LARGE = MAX_PAYLOAD_BYTES * 8;

export const fits = (value: Json): Result<Json, AttemptError> => {
  if (isDeeperThan(MAX_BUILT_DEPTH, value))
    return rejected(errorOf('INPUT_TOO_DEEP', `the input has more than ${MAX_BUILT_DEPTH} levels of JSON`));
  const rough = roughBytes(value);
  if (rough <= SURELY_SMALL) return ok(value);
  const bytes = rough > SURELY_LARGE ? rough : byteLengthOf(value);
  if (bytes <= MAX_PAYLOAD_BYTES) return ok(value);
  const size = rough > SURELY_LARGE ? 'far too many' : String(bytes);
  return rejected(
    errorOf('INPUT_TOO_LARGE', `the input has ${size} bytes of JSON, at most ${MAX_PAYLOAD_BYTES} are passed on`),
  );
};

const outcomeOf = ({ phase, unit, items }: StepState): { readonly output: Json; readonly status: string } => ({
  output: items === undefined || phase === 'completed' ? unit.output : null,
  status: phase,
});

export const scopeFor = (
  execution: Running,
  taskIds: Iterable<string>,
  extra: Partial<Pick<Scope, 'item' | 'index' | 'self'>> = {},
): Scope => {
  const tasks: Record<string, { readonly output: Json; readonly status: string }> = {};
  for (const id of taskIds) {
    const index = execution.compiled.indexOf.get(id);
    if (index !== undefined) tasks[id] = outcomeOf(execution.steps.get(index));
  }
  const { executionId, input } = execution;
  return { input, tasks, execution: { id: executionId }, item: null, index: null, self: null, ...extra };
};

export const expressionFailed = (message: string): AttemptError => errorOf('EXPRESSION_FAILED', message);

export const render = (
  execution: Running,
  template: Template,
  budget?: Budget,
  extra: Partial<Pick<Scope, 'item' | 'index' | 'self'>> = {},
): Result<Json, AttemptError> => {
  const ids = template.expressions.flatMap(({ taskIds }) => taskIds);
  const rendered = template.render(scopeFor(execution, ids, extra), budget);
  return rendered.ok ? fits(rendered.value) : rejected(expressionFailed(rendered.rejection));
};

/** A root gets what the execution got; another step the outputs of what it depends on. */
const defaultInput = (execution: Running, { definition }: Step): Json => {
  if (definition.dependsOn.length === 0) return execution.input;
  const outputs: Record<string, Json> = {};
  for (const id of definition.dependsOn) {
    const index = execution.compiled.indexOf.get(id);
    if (index !== undefined) outputs[id] = outcomeOf(execution.steps.get(index)).output;
  }
  return outputs;
};

export const inputOf = (
  execution: Running,
  step: Step,
  budget?: Budget,
  item?: { readonly value: Json; readonly index: number },
): Result<Json, AttemptError> => {
  const chosen = Object.hasOwn(execution.inputs, step.id) ? execution.inputs[step.id] : undefined;
  if (chosen !== undefined) return ok(chosen);
  if (step.input)
    return render(execution, step.input, budget, item === undefined ? {} : { item: item.value, index: item.index });
  return fits(item === undefined ? defaultInput(execution, step) : item.value);
};
