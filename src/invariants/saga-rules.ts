import type { ExecutionEvent } from '../domain/execution/events.ts';
import type { Position } from '../eventstore/event-store.ts';
import {
  type CompensationEntry,
  type ExecutionEntry,
  noWayBack,
  stepOfUnit,
  unitsToCompensate,
} from './execution-entry.ts';
import type { ExecutionFindings } from './execution-findings.ts';

const compensatedUnit = (compensation: string): string => compensation.slice(1);
const isClosed = ({ ended }: CompensationEntry): boolean => ended === 'completed' || ended === 'skipped';

/**
 * S11 to S13: what must be compensated is compensated exactly once, in the order of the strategy, or taken on by a person; nothing else is.
 */
export class SagaRules {
  readonly #findings: ExecutionFindings;
  /** Units to compensate, by the position at which each ended. */
  readonly #due = new WeakMap<ExecutionEntry, ReadonlyMap<string, Position>>();

  constructor(findings: ExecutionFindings) {
    this.#findings = findings;
  }

  started(
    execution: ExecutionEntry,
    { plan, strategy, owed }: Extract<ExecutionEvent, { type: 'CompensationStarted' }>['data'],
  ): void {
    const known = execution.compensations;
    const due = this.#due.get(execution) ?? unitsToCompensate(execution);
    this.#due.set(execution, due);
    const planned = new Set(plan.map(({ unit }) => unit));
    if (planned.size !== plan.length || plan.some(({ unit }) => known?.has(unit)))
      this.#findings.wrong('S11', execution, 'the plan compensates a unit twice');
    // A plan that comes in parts is complete with the last of them.
    const isComplete = owed === undefined || (known?.size ?? 0) + planned.size >= owed;
    for (const unit of isComplete ? due.keys() : [])
      if (!planned.has(unit) && !known?.has(unit))
        this.#findings.wrong('S11', execution, `${unit} must be compensated, but is not in the plan`);
    for (const unit of planned)
      if (!due.has(unit)) this.#findings.wrong('S11', execution, `${unit} is in the plan, but must not be compensated`);
    if (execution.abort?.strategy !== strategy)
      this.#findings.wrong(
        'S12',
        execution,
        `it compensates ${strategy}, but aborted to compensate ${execution.abort?.strategy}`,
      );
    if (noWayBack(execution)) this.#findings.wrong('S13', execution, 'it compensates, but has passed its pivot');
    for (const task of known ? [] : execution.openTasks)
      this.#findings.wrong('S13', execution, `it compensates, but task ${task} is open`);
    execution.compensations = new Map([
      ...(known ?? []),
      ...[...planned].map((unit) => [unit, { unit, ended: 'no' as const, hasFailed: false }] as const),
    ]);
    for (const unit of due.keys())
      if (execution.units.get(unit)?.phase !== 'completed' && execution.units.get(unit)?.uncertain)
        this.#findings.saw('compensation of an uncertain step');
  }

  /** It ends without compensation: then there must be nothing to compensate. */
  endedWithoutCompensation(execution: ExecutionEntry): void {
    for (const unit of unitsToCompensate(execution).keys())
      this.#findings.wrong('S11', execution, `${unit} must be compensated, but it ended without that`);
  }

  /** A task that compensates a unit is submitted, or redriven. */
  compensating(execution: ExecutionEntry, key: string): void {
    const unit = compensatedUnit(key);
    const compensation = execution.compensations?.get(unit);
    if (!compensation) {
      this.#findings.wrong('S11', execution, `${unit} is compensated, but is not in the plan`);
      return;
    }
    if (isClosed(compensation))
      this.#findings.wrong(
        'S11',
        execution,
        `${unit} is compensated, but its compensation was ${compensation.ended} before`,
      );
    for (const other of execution.compensations?.values() ?? [])
      if (
        other !== compensation &&
        this.#comesBefore(execution, other.unit, unit) &&
        !this.#isOutOfTheWay(execution, other)
      )
        this.#findings.wrong('S12', execution, `${unit} is compensated before ${other.unit}`);
    compensation.ended = 'no';
    if (execution.status === 'compensation_failed') execution.status = 'compensating';
  }

  #isOutOfTheWay({ workflow }: ExecutionEntry, compensation: CompensationEntry): boolean {
    return isClosed(compensation) || (compensation.hasFailed && workflow.continuesAfterFailedCompensation);
  }

  #comesBefore(execution: ExecutionEntry, first: string, second: string): boolean {
    const due = this.#due.get(execution);
    const [one, other] = [due?.get(first) ?? -1n, due?.get(second) ?? -1n];
    switch (execution.abort?.strategy) {
      case 'backward':
      case 'selective':
        return one > other;
      case 'forward':
        return one < other;
      case 'cascade':
        return execution.workflow.dependsOn(stepOfUnit(first), stepOfUnit(second));
      default:
        return false;
    }
  }

  /** @param late an answer that nobody waited for any more: it counts even where a person had skipped the compensation */
  compensated(execution: ExecutionEntry, key: string, late: boolean): void {
    const compensation = execution.compensations?.get(compensatedUnit(key));
    if (!compensation) return;
    if (isClosed(compensation) && !(late && compensation.ended === 'skipped'))
      this.#findings.wrong('S11', execution, `${compensation.unit} is compensated twice: it was ${compensation.ended}`);
    if (compensation.hasFailed || late) this.#findings.saw('compensation completed after it was parked');
    if (compensation.ended !== 'skipped') compensation.ended = 'completed';
  }

  parked(execution: ExecutionEntry, unit: string): void {
    this.#close(execution, unit, 'parked', ['no', 'parked']);
  }

  skipped(execution: ExecutionEntry, unit: string): void {
    this.#close(execution, unit, 'skipped', ['parked']);
  }

  #close(
    execution: ExecutionEntry,
    unit: string,
    ended: CompensationEntry['ended'],
    from: readonly CompensationEntry['ended'][],
  ): void {
    const compensation = execution.compensations?.get(unit);
    if (!compensation)
      this.#findings.wrong('S11', execution, `the compensation of ${unit} is ${ended}, but is not in the plan`);
    else if (!from.includes(compensation.ended))
      this.#findings.wrong('S11', execution, `the compensation of ${unit} is ${ended}, but was ${compensation.ended}`);
    if (!compensation) return;
    compensation.ended = ended;
    compensation.hasFailed ||= ended === 'parked';
  }

  /** @param isComplete it ended as compensated; otherwise as waiting for a person */
  ended(execution: ExecutionEntry, isComplete: boolean): void {
    const compensations = [...(execution.compensations?.values() ?? [])];
    if (isComplete)
      for (const compensation of compensations)
        if (!isClosed(compensation))
          this.#findings.wrong(
            'S11',
            execution,
            `it ended as compensated, but ${compensation.unit} is not (${compensation.ended})`,
          );
    if (!isComplete && compensations.every(({ ended }) => ended !== 'parked'))
      this.#findings.wrong('S11', execution, 'it ended as compensation_failed, but no compensation is parked');
  }
}
