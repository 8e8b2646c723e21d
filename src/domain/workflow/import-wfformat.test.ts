import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WorkflowDefinition } from './definition.ts';
import { type ImportedWorkflow, importWfFormat } from './import-wfformat.ts';

type Link = { readonly id: string; readonly parents?: readonly string[]; readonly children?: readonly string[] };

const instanceOf = (tasks: readonly Link[], runtimes: Readonly<Record<string, number>> = {}) => ({
  name: 'small run',
  createdAt: '2021-03-23T06:04:36+00:00',
  schemaVersion: '1.5',
  runtimeSystem: { name: 'by hand' },
  workflow: {
    specification: {
      tasks: tasks.map(({ id, parents = [], children = [] }) => ({ name: id, id, parents, children, inputFiles: [] })),
      files: [],
    },
    execution: {
      makespanInSeconds: 12.5,
      executedAt: '2021-03-23T06:04:36+00:00',
      tasks: Object.entries(runtimes).map(([id, runtimeInSeconds]) => ({ id, runtimeInSeconds, avgCPU: 97.1 })),
      machines: [{ nodeName: 'a', cpu: { coreCount: 4 } }, { cpu: { coreCount: 8 } }],
    },
  },
});

const DIAMOND = instanceOf(
  [
    { id: 'split', children: ['left', 'right'] },
    { id: 'left', parents: ['split'], children: ['join'] },
    { id: 'right', parents: ['split'], children: ['join'] },
    { id: 'join', parents: ['left', 'right'] },
  ],
  { split: 1, left: 2.5, right: 400, join: 0.0161 },
);

const imported = (input: unknown, timeScale = 1): ImportedWorkflow => {
  const result = importWfFormat(input, { timeScale });
  if (!result.ok) throw new Error(JSON.stringify(result.rejection));
  return result.value;
};

const refusals = (input: unknown): string[] => {
  const result = importWfFormat(input);
  return result.ok ? [] : result.rejection.map(({ pointer, code }) => `${code} ${pointer}`);
};

describe('a recorded run', () => {
  it('becomes a definition with its graph and its durations, without default values', () => {
    const { definition, workflow, recording, renamed } = imported(DIAMOND);
    expect(definition).toEqual({
      name: 'small-run',
      version: '2021.3.23',
      description: 'Imported from the WfFormat 1.5 instance small run',
      tags: ['wfformat'],
      tasks: [
        { id: 'split', capability: 'simulate', input: { runtimeMs: 1_000 }, estimateMs: 1_000 },
        { id: 'left', capability: 'simulate', dependsOn: ['split'], input: { runtimeMs: 2_500 }, estimateMs: 2_500 },
        {
          id: 'right',
          capability: 'simulate',
          dependsOn: ['split'],
          input: { runtimeMs: 400_000 },
          estimateMs: 400_000,
          timeoutMs: 800_000,
        },
        {
          id: 'join',
          capability: 'simulate',
          dependsOn: ['left', 'right'],
          input: { runtimeMs: 16.1 },
          estimateMs: 16.1,
        },
      ],
    });
    expect(workflow.plan.criticalPath).toEqual({ nodes: [0, 2, 3], lengthMs: 401_016.1 });
    expect(recording).toEqual({ makespanMs: 12_500, machines: 2, cores: 12 });
    expect(renamed).toEqual([]);
  });

  it('can be scaled to a shorter or longer duration', () => {
    const { definition, recording } = imported(DIAMOND, 0.001);
    expect(definition.tasks.map(({ estimateMs }) => estimateMs)).toEqual([1, 2.5, 400, 0.016]);
    expect(definition.tasks.some(({ timeoutMs }) => timeoutMs !== undefined)).toBe(false);
    expect(recording.makespanMs).toBe(12_500);
  });

  it('keeps recorded ids that are not valid task ids, under unique names', () => {
    const chain = ['a.b', 'a_b', 'a b', '7', 'constructor', 'é'.repeat(200), 'é'.repeat(199)];
    const links = chain.map((id, index) => ({
      id,
      parents: chain.slice(Math.max(0, index - 1), index),
      children: chain.slice(index + 1, index + 2),
    }));
    const { definition, renamed } = imported(instanceOf(links));
    const ids = definition.tasks.map(({ id }) => id);
    expect(ids.slice(0, 5)).toEqual(['a_b_2', 'a_b', 'a_b_3', 't_7', 'constructor_']);
    expect(new Set(ids).size).toBe(chain.length);
    expect(definition.tasks.map(({ dependsOn }) => dependsOn ?? [])).toEqual([
      [],
      ...ids.slice(0, -1).map((id) => [id]),
    ]);
    expect(renamed.map(({ recordedId }) => recordedId)).toEqual(chain.filter((id) => id !== 'a_b'));
    for (const { recordedId, id } of renamed)
      expect(definition.tasks.find((task) => task.id === id)?.input).toMatchObject({ recordedId });
  });

  it.each(['=1 +', '==', '= input', '≠ ', '\u003d\u0338 ', 'é', 'e\u0301'])(
    'keeps a recorded id as it is, whatever it looks like: %j',
    (id) => {
      const { workflow, renamed } = imported(instanceOf([{ id, parents: [], children: [] }]));
      const rendered = workflow.steps[0]?.input?.render({} as never);
      expect(rendered).toEqual({ ok: true, value: { runtimeMs: 0, recordedId: id } });
      expect(renamed[0]?.recordedId).toBe(id);
    },
  );

  it('has estimates only where something was recorded', () => {
    const { definition } = imported(instanceOf([{ id: 'a' }]));
    expect(definition.tasks).toEqual([{ id: 'a', capability: 'simulate', input: { runtimeMs: 0 } }]);
    const { workflow, ...rest } = DIAMOND;
    const plan = imported({ ...rest, createdAt: undefined, workflow: { specification: workflow.specification } });
    expect(plan.definition.version).toBe('1.0.0');
    expect(plan.recording).toEqual({ makespanMs: undefined, machines: undefined, cores: undefined });
  });
});

describe('a document that is not a recorded run', () => {
  it('is rejected with the place of the error', () => {
    expect(refusals(null)).toEqual(['NO_WFFORMAT ']);
    expect(refusals({ ...DIAMOND, schemaVersion: '1.4' })).toEqual(['NO_WFFORMAT /schemaVersion']);
    expect(refusals({ ...DIAMOND, workflow: {} })).toEqual(['NO_WFFORMAT /workflow/specification']);
    expect(refusals(instanceOf([]))).toEqual(['NO_WFFORMAT /workflow/specification/tasks']);
    const negative = instanceOf([{ id: 'a' }], { a: -1 });
    expect(refusals(negative)).toEqual(['NO_WFFORMAT /workflow/execution/tasks/0/runtimeInSeconds']);
  });

  it('is rejected where parents and children disagree, in either direction', () => {
    const tasks = [{ id: 'a', children: ['b'] }, { id: 'b' }, { id: 'c', parents: ['a'] }];
    expect(refusals(instanceOf(tasks))).toEqual([
      'LINKS_DISAGREE /workflow/specification/tasks/0/children/0',
      'LINKS_DISAGREE /workflow/specification/tasks/2/parents/0',
    ]);
  });

  it('is rejected where it names tasks that do not exist, or the same task twice', () => {
    const tasks = [
      { id: 'a', children: ['x'] },
      { id: 'b', parents: ['y'] },
      { id: 'a', children: ['x'] },
    ];
    expect(refusals(instanceOf(tasks, { z: 1 }))).toEqual([
      'DUPLICATE_ID /workflow/specification/tasks/2/id',
      'UNKNOWN_TASK /workflow/specification/tasks/0/children/0',
      'UNKNOWN_TASK /workflow/specification/tasks/1/parents/0',
      'UNKNOWN_TASK /workflow/specification/tasks/2/children/0',
      'UNKNOWN_TASK /workflow/execution/tasks/0/id',
    ]);
  });

  it('is rejected where tasks wait for each other', () => {
    const tasks = [
      { id: 'a', parents: ['b'], children: ['b'] },
      { id: 'b', parents: ['a'], children: ['a'] },
    ];
    expect(refusals(instanceOf(tasks))).toEqual(['CYCLE /workflow/specification/tasks/0/parents/0']);
    const twice = [
      { id: 'a', children: ['b'] },
      { id: 'b', parents: ['a', 'a'] },
    ];
    expect(refusals(instanceOf(twice))).toEqual(['DUPLICATE_DEPENDENCY /workflow/specification/tasks/1/parents/1']);
  });

  it('is rejected where a task took longer than a year', () => {
    expect(refusals(instanceOf([{ id: 'a' }], { a: 1e9 }))).toEqual([
      'OUT_OF_RANGE /workflow/execution/tasks/0/runtimeInSeconds',
    ]);
  });
});

describe('any graph', () => {
  const graphs = fc
    .uniqueArray(fc.string({ minLength: 1, maxLength: 140, unit: 'grapheme' }), { minLength: 1, maxLength: 25 })
    .chain((ids) =>
      fc.record({
        ids: fc.constant(ids),
        // Parents come before their children, so there is no cycle.
        parents: fc.tuple(...ids.map((_, index) => fc.subarray(ids.slice(0, index)))),
        seconds: fc.tuple(...ids.map(() => fc.double({ min: 0, max: 1e5, noNaN: true }))),
      }),
    );

  it('has the same edges after it is imported', () => {
    fc.assert(
      fc.property(graphs, ({ ids, parents, seconds }) => {
        const links = ids.map((id, index) => ({
          id,
          parents: parents[index] ?? [],
          children: ids.filter((_, other) => parents[other]?.includes(id)),
        }));
        const runtimes = Object.fromEntries(ids.map((id, index) => [id, seconds[index] ?? 0]));
        const { workflow, definition } = imported(instanceOf(links, runtimes));
        expect(WorkflowDefinition.safeParse(definition).success).toBe(true);
        const edges = (index: number) => Array.from(workflow.plan.dependenciesOf(index), (parent) => ids[parent]);
        expect(ids.map((_, index) => edges(index))).toEqual(parents);
      }),
    );
  });
});
