import type { ExecutionEvent } from '../../domain/execution/events.ts';

/** A completed sub-workflow that is compensated with its parent, until the parent knows that it was. */
export type ChildCompensation = {
  readonly childId: string;
  readonly parentId: string;
  readonly unit: string;
  /** Its compensation must be begun, or has come to an end that the parent has not been told. */
  readonly isDue: boolean;
};

const unitKey = (parentId: string, unit: string): string => `${parentId}/${unit}`;

/** A fold of the streams of executions, changed in place. */
export class ChildCompensations {
  readonly #byChild = new Map<string, ChildCompensation>();
  readonly #childOf = new Map<string, string>();

  get size(): number {
    return this.#byChild.size;
  }

  get(childId: string): ChildCompensation | undefined {
    return this.#byChild.get(childId);
  }

  values(): Iterable<ChildCompensation> {
    return this.#byChild.values();
  }

  set(compensation: ChildCompensation): string {
    this.#byChild.set(compensation.childId, compensation);
    this.#childOf.set(unitKey(compensation.parentId, compensation.unit), compensation.childId);
    return compensation.childId;
  }

  /** Answers whose compensation the event concerns. */
  evolve(event: ExecutionEvent): string | undefined {
    const { executionId } = event.data;
    switch (event.type) {
      case 'CompensationWaiting':
        return this.set({ childId: event.data.childId, parentId: executionId, unit: event.data.unit, isDue: true });
      case 'CompensationParked':
        // The sub-workflow may still be compensated: a person takes care of it.
        return this.#change(this.#childOf.get(unitKey(executionId, event.data.unit)), false);
      case 'CompensationCompleted':
      case 'CompensationSkipped':
        return this.#drop(executionId, event.data.unit);
      case 'ExecutionAborting':
        return this.#change(executionId, false);
      case 'ExecutionCompensated':
      case 'ExecutionCancelled':
      case 'ExecutionCompensationFailed':
        return this.#change(executionId, true);
      default:
        return undefined;
    }
  }

  #change(childId: string | undefined, isDue: boolean): string | undefined {
    const compensation = childId === undefined ? undefined : this.#byChild.get(childId);
    return compensation && this.set({ ...compensation, isDue });
  }

  #drop(parentId: string, unit: string): string | undefined {
    const key = unitKey(parentId, unit);
    const childId = this.#childOf.get(key);
    if (childId !== undefined) this.#byChild.delete(childId);
    this.#childOf.delete(key);
    return childId;
  }
}
