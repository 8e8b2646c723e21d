import type { ExecutionEvent } from '../domain/execution/events.ts';
import type { Position } from '../eventstore/event-store.ts';
import { type ExecutionEntry, noWayBack, owedUnits, stepOfUnit, type UndoEntry } from './execution-entry.ts';
import type { Sometimes } from './sometimes.ts';
import type { InvariantId } from './violations.ts';

type Tell = (invariant: InvariantId, execution: ExecutionEntry, what: string) => void;

const undoneUnit = (undo: string): string => undo.slice(1);
const isClosed = ({ ended }: UndoEntry): boolean => ended === 'completed' || ended === 'skipped';

/**
 * S11 to S13: what is owed is undone, exactly once and in the order of the strategy, or taken on by a person; nothing else is.
 */
export class SagaRules {
  readonly #tell: Tell;
  readonly #saw: (situation: Sometimes) => void;
  readonly #owed = new WeakMap<ExecutionEntry, ReadonlyMap<string, Position>>();

  constructor(tell: Tell, saw: (situation: Sometimes) => void) {
    this.#tell = tell;
    this.#saw = saw;
  }

  started(
    execution: ExecutionEntry,
    { plan, strategy }: Extract<ExecutionEvent, { type: 'CompensationStarted' }>['data'],
  ): void {
    const owed = owedUnits(execution);
    this.#owed.set(execution, owed);
    const planned = new Set(plan.map(({ unit }) => unit));
    if (planned.size !== plan.length) this.#tell('S11', execution, 'a unit is planned to be undone twice');
    for (const unit of owed.keys())
      if (!planned.has(unit)) this.#tell('S11', execution, `${unit} is owed an undo, and is not in the plan`);
    for (const unit of planned)
      if (!owed.has(unit)) this.#tell('S11', execution, `${unit} is to be undone, but is not owed it`);
    if (execution.abort?.strategy !== strategy)
      this.#tell('S12', execution, `it undoes ${strategy}, but aborted to undo ${execution.abort?.strategy}`);
    if (noWayBack(execution)) this.#tell('S13', execution, 'it goes back, but has passed its pivot');
    for (const task of execution.openTasks) this.#tell('S13', execution, `it goes back, but task ${task} is open`);
    execution.undos = new Map([...planned].map((unit) => [unit, { unit, ended: 'no' as const, hasFailed: false }]));
    for (const unit of owed.keys())
      if (execution.units.get(unit)?.phase !== 'completed' && execution.units.get(unit)?.uncertain)
        this.#saw('undo of an uncertain step');
  }

  /** It ends without undoing anything: then nothing may be owed. */
  endedWithoutUndo(execution: ExecutionEntry): void {
    for (const unit of owedUnits(execution).keys())
      this.#tell('S11', execution, `${unit} is owed an undo, and it ended without one`);
  }

  /** A task is made, or goes on, that undoes something. */
  undoing(execution: ExecutionEntry, key: string): void {
    const unit = undoneUnit(key);
    const undo = execution.undos?.get(unit);
    if (!undo) {
      this.#tell('S11', execution, `${unit} is undone, but is not owed it`);
      return;
    }
    if (isClosed(undo)) this.#tell('S11', execution, `${unit} is undone, but that was ${undo.ended}`);
    for (const other of execution.undos?.values() ?? [])
      if (other !== undo && this.#comesBefore(execution, other.unit, unit) && !this.#isOutOfTheWay(execution, other))
        this.#tell('S12', execution, `${unit} is undone before ${other.unit}`);
    undo.ended = 'no';
    if (execution.status === 'compensation_failed') execution.status = 'compensating';
  }

  #isOutOfTheWay({ workflow }: ExecutionEntry, undo: UndoEntry): boolean {
    return isClosed(undo) || (undo.hasFailed && workflow.goesOnAfterFailedUndo);
  }

  #comesBefore(execution: ExecutionEntry, first: string, second: string): boolean {
    const owed = this.#owed.get(execution);
    const [one, other] = [owed?.get(first) ?? -1n, owed?.get(second) ?? -1n];
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

  /** @param late an answer that nobody waited for any more: it is kept also where a person had said that the undo is not needed */
  undone(execution: ExecutionEntry, key: string, late: boolean): void {
    const undo = execution.undos?.get(undoneUnit(key));
    if (!undo) return;
    if (isClosed(undo) && !(late && undo.ended === 'skipped'))
      this.#tell('S11', execution, `${undo.unit} is undone twice: it was ${undo.ended}`);
    if (undo.hasFailed || late) this.#saw('undo completed after it was parked');
    if (undo.ended !== 'skipped') undo.ended = 'completed';
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
    ended: UndoEntry['ended'],
    from: readonly UndoEntry['ended'][],
  ): void {
    const undo = execution.undos?.get(unit);
    if (!undo) this.#tell('S11', execution, `the undo of ${unit} is ${ended}, but it is not owed one`);
    else if (!from.includes(undo.ended))
      this.#tell('S11', execution, `the undo of ${unit} is ${ended}, but was ${undo.ended}`);
    if (!undo) return;
    undo.ended = ended;
    undo.hasFailed ||= ended === 'parked';
  }

  /** @param allUndone it says that nothing is owed any more; else that a person is needed */
  ended(execution: ExecutionEntry, allUndone: boolean): void {
    const undos = [...(execution.undos?.values() ?? [])];
    if (allUndone)
      for (const undo of undos)
        if (!isClosed(undo))
          this.#tell('S11', execution, `it says that all is undone, but ${undo.unit} is not (${undo.ended})`);
    if (!allUndone && undos.every(({ ended }) => ended !== 'parked'))
      this.#tell('S11', execution, 'it says that an undo failed, but none is parked');
  }
}
