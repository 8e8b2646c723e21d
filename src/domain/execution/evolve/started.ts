import { roughBytes } from '../../rough-bytes.ts';
import { PersistentVector } from '../../structures/persistent-vector.ts';
import { workflowOf } from '../../workflow/compile.ts';
import type { DataOf, ReusedStep } from '../events.ts';
import { stepNamed } from '../find.ts';
import { newStep, type Running } from '../state.ts';
import { IDLE, type UnitState } from '../unit-state.ts';
import { SAMPLE } from './sample.ts';
import { withStep } from './steps.ts';

const STEP_BYTES = 400;

export const started = (data: DataOf<'ExecutionStarted'>): Running => {
  const { definition, workflow } = data;
  const compiled = workflowOf(workflow.digest, definition);
  const { plan } = compiled;
  const startedMs = Date.parse(data.startedAt);
  const fresh: Running = {
    status: 'executing',
    executionId: data.executionId,
    workflow,
    compiled,
    input: data.input,
    inputs: data.inputs ?? {},
    tags: data.tags,
    startedMs,
    endedMs: undefined,
    deadlineMs: data.deadlineAt === undefined ? undefined : Date.parse(data.deadlineAt),
    parent: data.parent,
    forkedFrom: data.forkedFrom && {
      executionId: data.forkedFrom.executionId,
      revision: data.forkedFrom.revision,
    },
    paused: false,
    steps: PersistentVector.from(plan.size, (index) => newStep(plan.dependenciesOf(index).length)),
    ready: [...plan.roots],
    expanding: [],
    openTasks: 0,
    openChildren: 0,
    unfinished: plan.size,
    nextSeq: 0,
    pivotPassed: false,
    signals: [],
    abort: undefined,
    compensation: undefined,
    output: null,
    error: undefined,
    unitOf: new Map(),
    continues: undefined,
    migrations: 0,
    bytes: 1_000 + plan.size * STEP_BYTES + roughBytes(data.input, SAMPLE),
  };
  return (data.forkedFrom?.reused ?? []).reduce((execution, reused) => withReused(execution, reused, startedMs), fresh);
};

/** What another execution did for a step is taken over. */
const withReused = (execution: Running, reused: ReusedStep, startedMs: number): Running => {
  const step = stepNamed(execution, reused.stepId);
  // A failure that is the execution's is not taken over: the step is done again.
  if (step === undefined || (reused.status === 'failed' && step.definition.onFailure === 'fail')) return execution;
  const before = execution.steps.get(step.index);
  const phase = reused.status;
  const unit: UnitState = {
    ...IDLE,
    phase: phase === 'skipped' ? 'idle' : phase,
    output: reused.output ?? null,
    agentId: reused.agentId,
    seq: execution.nextSeq,
  };
  const passedOver = reused.passedOver === true;
  const next = withStep(execution, step, { ...before, phase, unit, passedOver, reused: true, endedMs: startedMs });
  return { ...next, nextSeq: next.nextSeq + 1 };
};
