import type { CompensationStrategy, TaskDefinition, WorkflowDefinition } from '../domain/workflow/definition.ts';

type Graph = ReadonlyMap<string, readonly string[]>;

const reachable = (graph: Graph, from: string): ReadonlySet<string> => {
  const found = new Set<string>();
  const open = [...(graph.get(from) ?? [])];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (found.has(next)) continue;
    found.add(next);
    open.push(...(graph.get(next) ?? []));
  }
  return found;
};

/** The graph and the saga rules of a definition, read from an execution's first event without the product's compiler. */
export class PinnedWorkflow {
  readonly steps: ReadonlyMap<string, TaskDefinition>;
  readonly #saga: WorkflowDefinition['saga'];
  readonly #dependencies: Graph;
  readonly #dependants = new Map<string, string[]>();

  constructor({ tasks, saga }: WorkflowDefinition) {
    this.steps = new Map(tasks.map((task) => [task.id, task]));
    this.#saga = saga;
    this.#dependencies = new Map(tasks.map(({ id, dependsOn }) => [id, dependsOn]));
    for (const { id, dependsOn } of tasks)
      for (const dependency of dependsOn)
        this.#dependants.set(dependency, [...(this.#dependants.get(dependency) ?? []), id]);
  }

  /** A compensation that failed permanently does not hold up the others. */
  get continuesAfterFailedCompensation(): boolean {
    return this.#saga.onCompensationFailure === 'continue';
  }

  dependsOn(step: string, other: string): boolean {
    return reachable(this.#dependencies, step).has(other);
  }

  /** Steps that a strategy compensates if they were done. */
  compensatedBy(strategy: CompensationStrategy, failed: string | undefined): readonly string[] {
    // A sub-workflow without a compensation of its own is compensated as a whole.
    const declared = [...this.steps.values()].filter(
      ({ compensation, workflow }) => compensation !== undefined || workflow !== undefined,
    );
    const kept = declared.filter((step) => {
      if (strategy === 'selective') return this.#isSelected(step);
      if (strategy === 'cascade' && this.#saga.scope === 'affected' && failed !== undefined)
        return this.#isAffected(step.id, failed);
      return true;
    });
    return kept.map(({ id }) => id);
  }

  #isSelected({ id, compensate, tags }: TaskDefinition): boolean {
    const { select } = this.#saga;
    return compensate || select.tasks.includes(id) || tags.some((tag) => select.tags.includes(tag));
  }

  /** The failed step, what it depends on, and everything that depends on any of these. */
  #isAffected(step: string, failed: string): boolean {
    const roots = [failed, ...reachable(this.#dependencies, failed)];
    return roots.some((root) => root === step || reachable(this.#dependants, root).has(step));
  }
}
