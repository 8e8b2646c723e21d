import canonicalize from 'canonicalize';
import type { ExecutionEvent } from '../domain/execution/events.ts';
import { type ExecutionEntry, endedWell, newStep, type StepEntry, stepOfUnit } from './execution-entry.ts';
import type { ExecutionFindings } from './execution-findings.ts';
import { PinnedWorkflow } from './pinned-workflow.ts';

type Of<Type extends ExecutionEvent['type']> = Extract<ExecutionEvent, { type: Type }>['data'];
type StepEnd = Extract<ExecutionEvent, { type: 'StepCompleted' | 'StepFailed' }>;

const keyOf = (tenant: string, executionId: string): string => `${tenant}/${executionId}`;

/** What steps do without an agent: S8 and S13 for when they start, S8 and S9 for waits and sub-workflows. */
export class StepBook {
  readonly #findings: ExecutionFindings;
  readonly #executionOf: (tenant: string, executionId: string) => ExecutionEntry | undefined;
  /** The step that requested a sub-workflow, by the sub-workflow. */
  readonly #requests = new Map<string, { readonly parentId: string; step: string }>();

  constructor(
    findings: ExecutionFindings,
    executionOf: (tenant: string, executionId: string) => ExecutionEntry | undefined,
  ) {
    this.#findings = findings;
    this.#executionOf = executionOf;
  }

  take(execution: ExecutionEntry, event: ExecutionEvent): void {
    switch (event.type) {
      case 'StepExpanded':
        this.#start(execution, event.data.stepId, event.type, { items: event.data.items.length });
        return;
      case 'StepWaiting':
        this.#waiting(execution, event.data);
        return;
      case 'StepCompleted':
      case 'StepFailed':
        this.#ended(execution, event);
        return;
      case 'StepSkipped':
        this.#skipped(execution, event.data);
        return;
      default:
    }
  }

  /** S8: a sub-workflow starts while the step that requested it waits for it. Later, nobody would compensate what it does. */
  checkRequested(child: ExecutionEntry, parent: NonNullable<ExecutionEntry['parent']>): void {
    const request = this.#requests.get(keyOf(child.tenant, child.executionId));
    const step = this.#executionOf(child.tenant, parent.executionId)?.steps.get(request?.step ?? '');
    const isWaiting = step?.own === 'waiting' && step.childId === child.executionId;
    if (request?.parentId !== parent.executionId || !isWaiting)
      this.#findings.wrong('S8', child, `${parent.unit} of ${parent.executionId} does not wait for this sub-workflow`);
  }

  /** S8 and S13: what a step depends on has ended well, and the execution may go on. */
  checkStart(execution: ExecutionEntry, stepId: string, how: string): void {
    const definition = execution.workflow.steps.get(stepId);
    if (!definition) {
      this.#findings.wrong('S8', execution, `${how} of ${stepId}, which its definition does not have`);
      return;
    }
    for (const dependency of definition.dependsOn)
      if (!endedWell(execution, dependency))
        this.#findings.wrong('S8', execution, `${how} of ${stepId}, but ${dependency} has not ended well`);
    if (execution.abort) this.#findings.wrong('S13', execution, `${how} of ${stepId} while it aborts`);
    const isRetry = execution.reopenedBy === this.#findings.commandId;
    if (execution.paused && !isRetry) this.#findings.wrong('S4', execution, `${how} of ${stepId} while it is paused`);
  }

  /** Gives steps, units and requests of sub-workflows the names of the new definition. */
  migrate(execution: ExecutionEntry, { definition, mapping }: Of<'ExecutionMigrated'>): void {
    const target = (stepId: string): string | null => {
      const mapped = mapping[stepId];
      return mapped === undefined ? stepId : mapped;
    };
    const renamed = (unit: string): string | null => {
      const stepId = stepOfUnit(unit);
      const to = target(stepId);
      return to === null ? null : unit.replace(stepId, to);
    };
    execution.workflow = new PinnedWorkflow(definition);
    const before = [...execution.steps];
    execution.steps.clear();
    for (const stepId of execution.workflow.steps.keys()) execution.steps.set(stepId, newStep());
    for (const [stepId, step] of before) {
      const to = target(stepId);
      if (to !== null && execution.steps.has(to)) execution.steps.set(to, step);
    }
    execution.units = new Map(
      [...execution.units].flatMap(([unit, entry]) => {
        const to = renamed(unit);
        return to === null ? [] : [[to, entry] as const];
      }),
    );
    execution.unitOf = new Map([...execution.unitOf].map(([taskId, unit]) => [taskId, renamed(unit) ?? unit]));
    for (const request of this.#requests.values())
      if (request.parentId === execution.executionId) request.step = target(request.step) ?? request.step;
  }

  #start(execution: ExecutionEntry, stepId: string, how: string, change: Partial<StepEntry>): void {
    this.checkStart(execution, stepId, how);
    const step = execution.steps.get(stepId);
    if (!step) return;
    if (step.own !== 'none' || step.items !== undefined || execution.units.has(stepId))
      this.#findings.wrong('S4', execution, `${how} of ${stepId}, which has started before`);
    Object.assign(step, change);
  }

  #waiting(execution: ExecutionEntry, { stepId, kind, name, child }: Of<'StepWaiting'>): void {
    const cameBefore = kind === 'event' && (execution.signals.get(name ?? '') ?? 0) > 0;
    this.#start(execution, stepId, 'StepWaiting', {
      own: 'waiting',
      waitKind: kind,
      cameBefore,
      childId: child?.executionId,
    });
    if (!child) return;
    const key = keyOf(execution.tenant, child.executionId);
    if (this.#requests.has(key))
      this.#findings.wrong('S9', execution, `sub-workflow ${child.executionId} is requested twice`);
    this.#requests.set(key, { parentId: execution.executionId, step: stepId });
  }

  #ended(execution: ExecutionEntry, event: StepEnd): void {
    const { stepId } = event.data;
    const step = execution.steps.get(stepId);
    const waited = step?.own === 'waiting';
    if (event.type === 'StepCompleted' && !waited)
      this.#findings.wrong('S8', execution, `StepCompleted of ${stepId}, which did not wait for anything`);
    // A step that could not even be started.
    if (event.type === 'StepFailed' && !waited) this.checkStart(execution, stepId, 'StepFailed');
    if (!step) return;
    if (waited && step.waitKind === 'workflow') this.#checkJoin(execution, step, event);
    if (event.type === 'StepCompleted') this.#waitEnded(execution, stepId, step);
    step.own = event.type === 'StepCompleted' ? 'completed' : 'failed';
    step.endedAt = this.#findings.position;
  }

  #waitEnded(execution: ExecutionEntry, stepId: string, { waitKind, cameBefore }: StepEntry): void {
    if (waitKind === 'delay') this.#findings.saw('delay ended');
    if (waitKind !== 'event') return;
    const name = execution.workflow.steps.get(stepId)?.waitFor?.name ?? '';
    const came = execution.signals.get(name) ?? 0;
    if (came === 0)
      this.#findings.wrong('S8', execution, `${stepId} consumed the event ${name}, which had not arrived`);
    execution.signals.set(name, came - 1);
    this.#findings.saw(cameBefore ? 'event before its wait' : 'event after its wait');
  }

  /** S8: a step takes over the output of its sub-workflow, once that has ended. */
  #checkJoin(execution: ExecutionEntry, { childId }: StepEntry, event: StepEnd): void {
    const child = this.#executionOf(execution.tenant, childId ?? '');
    const completed = child?.status === 'completed';
    const wrong = (what: string): void => this.#findings.wrong('S8', execution, `${event.data.stepId} ${what}`);
    if (event.type === 'StepFailed') {
      this.#findings.saw('sub-workflow failed its step');
      if (completed) wrong(`failed, but its sub-workflow ${childId} completed`);
      return;
    }
    this.#findings.saw('sub-workflow joined');
    if (!completed) wrong(`completed, but its sub-workflow is ${child?.status ?? 'absent'}`);
    else if (canonicalize(child.output) !== canonicalize(event.data.output))
      wrong(`has another output than its sub-workflow ${childId}`);
  }

  #skipped(execution: ExecutionEntry, { stepId, reason }: Of<'StepSkipped'>): void {
    const step = execution.steps.get(stepId);
    if (reason !== 'person') this.checkStart(execution, stepId, 'StepSkipped');
    if (!step) return;
    const phase = execution.units.get(stepId)?.phase;
    if (phase === 'open' || phase === 'completed' || step.own === 'completed')
      this.#findings.wrong('S4', execution, `${stepId} is skipped, but is ${phase ?? step.own}`);
    step.own = 'skipped';
    step.endedAt = this.#findings.position;
  }
}
