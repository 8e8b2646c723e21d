import { describe, expect, it } from 'vitest';
import type { ExecutionStreamEvent } from '../../../domain/execution/events.ts';
import { compileWorkflow, type Workflow } from '../../../domain/workflow/compile.ts';
import { WorkflowDefinition } from '../../../domain/workflow/definition.ts';
import { checkOrder } from './check-order.ts';
import { compare } from './compare.ts';
import { comparisonText } from './comparison-text.ts';
import { modelOf } from './model.ts';

const compiled = (tasks: readonly object[]): Workflow => {
  const result = compileWorkflow(WorkflowDefinition.parse({ name: 'small', version: '1.2.3', tasks }));
  if (!result.ok) throw new Error(JSON.stringify(result.rejection));
  return result.value;
};

const UNKNOWN = { makespanMs: undefined, machines: undefined, cores: undefined };

const DIAMOND = compiled([
  { id: 'a', capability: 'x', input: { runtimeMs: 100 } },
  { id: 'b', capability: 'x', dependsOn: ['a'], estimateMs: 200, when: 'tasks.a.output.go' },
  { id: 'c', waitFor: { kind: 'event', name: 'e' }, dependsOn: ['a'] },
  { id: 'd', delayMs: 50, dependsOn: ['b', 'c'] },
]);

const submitted = (unit: string) => ({ type: 'TaskSubmitted', data: { taskId: `task ${unit}`, unit } });
const completed = (unit: string) => ({ type: 'TaskCompleted', data: { taskId: `task ${unit}` } });
const ended = { type: 'ExecutionCompleted', data: { durationMs: 20, overheadMs: 4 } };
const stream = (...events: readonly object[]) => events as readonly ExecutionStreamEvent[];

const GOOD = stream(
  submitted('a'),
  completed('a'),
  submitted('b'),
  submitted('c'),
  completed('c'),
  completed('b'),
  submitted('d'),
  completed('d'),
  ended,
);

describe('the model of a workflow', () => {
  it('keeps graph and durations, and nothing that could fail', () => {
    const model = modelOf(DIAMOND, UNKNOWN, { speedup: 10, agents: undefined });
    expect(model).toMatchObject({ runtimesMs: [100, 200, 1_000, 50], assumed: 1, agents: 2 });
    expect(model.definition.tasks.map(({ dependsOn }) => dependsOn)).toEqual([[], ['a'], ['a'], ['b', 'c']]);
    expect(model.definition.tasks.every(({ when, role }) => when === undefined && role === 'simulator')).toBe(true);
    const again = compileWorkflow(WorkflowDefinition.parse(model.definition));
    expect(again.ok && again.value.plan.edges).toBe(4);
  });

  it('has as many agents as there were cores, or as the graph can use if that is more, or as requested', () => {
    const agents = (recording: Partial<typeof UNKNOWN>, said?: number) =>
      modelOf(DIAMOND, { ...UNKNOWN, ...recording }, { speedup: 1, agents: said }).agents;
    expect(agents({ cores: 8, machines: 3 } as never)).toBe(8);
    expect(agents({ machines: 3 } as never)).toBe(3);
    expect(agents({ cores: 1 } as never)).toBe(2);
    expect(agents({ cores: 8 } as never, 1)).toBe(1);
  });
});

describe('the order of an execution, from its stream', () => {
  const tasks = DIAMOND.definition.tasks;

  it('is right when each task ran once and after all its dependencies', () => {
    expect(checkOrder(tasks, GOOD)).toEqual([]);
  });

  it('is wrong when a task was submitted before a dependency had ended', () => {
    const early = [...GOOD.slice(0, 4), ...stream(submitted('d')), ...GOOD.slice(4, 6), ...GOOD.slice(7)];
    expect(checkOrder(tasks, early)).toEqual([
      { task: 'd', problem: 'submitted at revision 4, before b had completed' },
      { task: 'd', problem: 'submitted at revision 4, before c had completed' },
    ]);
  });

  it('is wrong when a task ran twice or not at all', () => {
    expect(checkOrder(tasks, [...GOOD, ...stream(completed('a'))])).toEqual([
      { task: 'a', problem: 'submitted 1 times, completed 2 times' },
    ]);
    expect(checkOrder(tasks, GOOD.slice(0, 6))).toEqual([
      { task: 'd', problem: 'submitted 0 times, completed 0 times' },
    ]);
  });
});

describe('the comparison', () => {
  const model = modelOf(DIAMOND, UNKNOWN, { speedup: 100, agents: undefined });
  const simulated = { workflow: DIAMOND, recording: { ...UNKNOWN, makespanMs: 3_000 }, model, speedup: 100 };
  const run = { executionId: 'e', status: 'completed', events: GOOD, sleptMs: [2, 3, 11, 1] };

  it('separates overhead from timer delays', () => {
    expect(compare(simulated, run)).toMatchObject({
      workflow: 'small',
      makespanMs: 20,
      scaledMakespanMs: 2_000,
      recordedMakespanMs: 3_000,
      recordedCriticalPathMs: 1_150,
      recordedWorkPerAgentMs: 675,
      boundMs: 14, // a, c, d as they slept
      overhead: { ms: 6, perTaskMs: 1.5, perStepMs: 2, share: 0.3 },
      timers: { askedMs: 13.5, tookMs: 17, boundGrewMs: 2.5 },
      dependenciesChecked: 4,
      violations: [],
    });
  });

  it('is limited by the work when there are few agents', () => {
    const one = modelOf(DIAMOND, UNKNOWN, { speedup: 100, agents: 1 });
    expect(compare({ ...simulated, model: one }, run).boundMs).toBe(17);
  });

  it('is printed with as many violations as there is room for', () => {
    const wrong = compare(simulated, { ...run, events: GOOD.slice(0, 6) });
    expect(comparisonText(wrong)).toContain('VIOLATION  d: submitted 0 times, completed 0 times\n');
    expect(comparisonText(compare(simulated, run))).toContain('each task ran once');
  });
});
