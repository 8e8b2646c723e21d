import type { Workflow } from '../../domain/workflow/compile.ts';
import type { TaskDefinition } from '../../domain/workflow/definition.ts';

/** The kind of a step. */
export type NodeKind = 'agent' | 'workflow' | 'wait' | 'delay';

export type NodeView = {
  readonly id: string;
  readonly kind: NodeKind;
  /** The capability, what the step waits for, or how long. */
  readonly what: string;
  readonly pivot: boolean;
  /** Its compensation, if it has one. */
  readonly undo: { readonly what: string; readonly state: string | undefined } | undefined;
  /** Of a running execution, in lower case. */
  readonly state: string | undefined;
};

/** A graph to draw: of a definition, or of an execution with the states of its steps. */
export type GraphView = {
  readonly title: string;
  readonly nodes: readonly NodeView[];
  /** Indices of nodes: a dependency, and the node that depends on it. */
  readonly edges: readonly (readonly [number, number])[];
};

/** How states look; a state that is not listed looks like one that has not begun. */
const LOOKS: Readonly<Record<string, keyof typeof COLOURS>> = {
  open: 'running',
  running: 'running',
  waiting: 'waiting',
  completed: 'completed',
  failed: 'failed',
  parked: 'failed',
  indeterminate: 'doubtful',
  skipped: 'skipped',
  cancelled: 'skipped',
};

/** Fill and line. */
export const COLOURS = {
  running: { fill: '#d0ebff', line: '#1971c2' },
  waiting: { fill: '#fff3bf', line: '#e67700' },
  completed: { fill: '#d3f9d8', line: '#2b8a3e' },
  failed: { fill: '#ffe3e3', line: '#c92a2a' },
  doubtful: { fill: '#ffe8cc', line: '#d9480f' },
  skipped: { fill: '#f1f3f5', line: '#adb5bd' },
} as const;

export type Look = keyof typeof COLOURS;
export const lookOf = (state: string | undefined): Look | undefined =>
  state !== undefined && Object.hasOwn(LOOKS, state) ? LOOKS[state] : undefined;

const durationText = (ms: number): string => (ms % 1_000 === 0 ? `${ms / 1_000} s` : `${ms} ms`);

const whatOf = (task: TaskDefinition): string => {
  if (task.workflow !== undefined)
    return task.workflow.version === undefined ? task.workflow.name : `${task.workflow.name}@${task.workflow.version}`;
  if (task.waitFor !== undefined) return `${task.waitFor.kind} ${task.waitFor.name}`;
  if (task.delayMs !== undefined) return durationText(task.delayMs);
  const agent = task.role ?? task.capability ?? '';
  return task.forEach === undefined ? agent : `${agent}, for each`;
};

type States = { readonly steps: ReadonlyMap<string, string>; readonly undos: ReadonlyMap<string, string> };
const NO_STATES: States = { steps: new Map(), undos: new Map() };

export const graphView = (
  { definition, steps, plan }: Workflow,
  states: States = NO_STATES,
  title = `${definition.name}@${definition.version}`,
): GraphView => ({
  title,
  nodes: steps.map(({ id, kind, definition: task }) => ({
    id,
    kind,
    what: whatOf(task),
    pivot: task.pivot,
    undo: task.compensation && {
      what: task.compensation.role ?? task.compensation.capability ?? '',
      state: states.undos.get(id),
    },
    state: states.steps.get(id),
  })),
  edges: steps.flatMap(({ index }) =>
    Array.from(plan.dependenciesOf(index), (dependency) => [dependency, index] as const),
  ),
});
