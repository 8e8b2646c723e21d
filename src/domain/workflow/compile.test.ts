import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { compileWorkflow, type DefinitionIssue, workflowOf } from './compile.ts';
import { TaskDefinition, WorkflowDefinition } from './definition.ts';

type DefinitionInput = z.input<typeof WorkflowDefinition>;
type TaskInput = DefinitionInput['tasks'][number];

const agent = (id: string, facts: Partial<TaskInput> = {}): TaskInput => ({ id, capability: 'work', ...facts });
const parse = (facts: Partial<DefinitionInput>): WorkflowDefinition =>
  WorkflowDefinition.parse({ name: 'report', version: '1.0.0', tasks: [agent('a')], ...facts });
const compile = (facts: Partial<DefinitionInput>) => compileWorkflow(parse(facts));

const issuesOf = (facts: Partial<DefinitionInput>): readonly DefinitionIssue[] => {
  const compiled = compile(facts);
  return compiled.ok ? [] : compiled.rejection;
};
const brief = (facts: Partial<DefinitionInput>): string[] =>
  issuesOf(facts).map(({ code, pointer }) => `${code} ${pointer}`);
const ofTask = (facts: Partial<TaskInput>): string[] => brief({ tasks: [{ id: 'a', ...facts }] });
const warningsOf = (facts: Partial<DefinitionInput>): string[] => {
  const compiled = compile(facts);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.rejection));
  return compiled.value.warnings.map(({ code, pointer }) => `${code} ${pointer}`);
};

describe('a task in a definition', () => {
  it.each<[string, Partial<TaskInput>]>([
    ['nothing', {}],
    ['two things', { capability: 'work', delayMs: 1 }],
    ['three things', { role: 'r', workflow: { name: 'w' }, waitFor: { kind: 'event', name: 'e' } }],
  ])('does one thing: %s is refused', (_, facts) => expect(ofTask(facts)).toContain('ONE_THING_ONLY /tasks/0'));

  it('names a capability or an existing role', () => {
    expect(ofTask({ role: 'r', capability: 'work' })).toEqual(['ROLE_OR_CAPABILITY /tasks/0']);
    expect(ofTask({ role: 'toString' })).toEqual(['UNKNOWN_ROLE /tasks/0/role']);
    expect(ofTask({ capability: 'work', compensation: {} })).toEqual(['ROLE_OR_CAPABILITY /tasks/0/compensation']);
    expect(ofTask({ capability: 'work', compensation: { role: 'r' } })).toEqual([
      'UNKNOWN_ROLE /tasks/0/compensation/role',
    ]);
  });

  it('takes the requirements for agents from its role', () => {
    const agents = {
      r: { capability: 'read', versionRange: '^2.0.0', pool: 'fast', strategy: 'round_robin' as const },
    };
    const compiled = compile({ agents, tasks: [{ id: 'a', role: 'r' }, agent('b')] });
    expect(compiled.ok && compiled.value.steps.map((step) => step.agent)).toEqual([
      agents.r,
      { capability: 'work', pool: 'default', strategy: 'least_loaded' },
    ]);
  });

  it.each<[string, Partial<TaskInput>]>([
    ['NOTHING_TO_UNDO /tasks/0/compensation', { delayMs: 1, compensation: { capability: 'undo' } }],
    ['AGENT_ONLY /tasks/0/forEach', { workflow: { name: 'w' }, forEach: { items: '[1]' } }],
    ['PIVOT_FOR_EACH /tasks/0/pivot', { capability: 'work', pivot: true, forEach: { items: '[1]' } }],
    ['DECISION_ONLY /tasks/0/waitFor/options', { waitFor: { kind: 'event', name: 'e', options: ['yes'] } }],
    ['AGENT_ONLY /tasks/0/input', { waitFor: { kind: 'event', name: 'e' }, input: {} }],
    ['AGENT_ONLY /tasks/0/input', { waitFor: { kind: 'event', name: 'e' }, when: 'true', input: {} }],
    ['AGENT_ONLY /tasks/0/input', { delayMs: 1, input: {} }],
  ])('has no fields that it cannot use: %s', (issue, facts) => expect(ofTask(facts)).toEqual([issue]));

  it.each(['__proto__', 'constructor', 'prototype', '', '1a', 'a b', 'ä', 'a'.repeat(129)])(
    'has an id that is a valid key everywhere: %j is refused',
    (id) => expect(TaskDefinition.safeParse({ id, capability: 'work' }).success).toBe(false),
  );

  it.each(['toString', 'hasOwnProperty', 'valueOf'])('may be called %s', (id) => {
    const tasks = [agent(id), agent('b', { dependsOn: [id], input: `= tasks.${id}.output` })];
    expect(compile({ tasks })).toMatchObject({ ok: true });
    expect(brief({ tasks: [agent('b', { input: `= tasks.${id}.output` })] })).toEqual(['UNKNOWN_TASK /tasks/0/input']);
  });

  it.each<Partial<TaskInput>>([
    { retry: { maxAttempts: 0 } },
    { retry: { factor: Number.NaN } },
    { retry: { jitter: 2 } },
    { timeoutMs: 0 },
    { delayMs: -1 },
    { forEach: { items: '[1]', maxItems: 10_001 } },
    { estimateMs: Number.POSITIVE_INFINITY },
    { unknown: 1 } as Partial<TaskInput>,
  ])('has limits: %j is refused', (facts) =>
    expect(TaskDefinition.safeParse({ id: 'a', capability: 'work', ...facts }).success).toBe(false),
  );
});

describe('the graph of a definition', () => {
  it('is rejected with all its errors, each with its place', () =>
    expect(
      brief({
        tasks: [
          agent('a', { dependsOn: ['a'] }),
          agent('b', { dependsOn: ['missing', 'c', 'c'] }),
          agent('c', { dependsOn: ['b'] }),
          agent('a'),
        ],
      }),
    ).toEqual([
      'DUPLICATE_ID /tasks/3/id',
      'SELF_DEPENDENCY /tasks/0/dependsOn/0',
      'UNKNOWN_DEPENDENCY /tasks/1/dependsOn/0',
      'DUPLICATE_DEPENDENCY /tasks/1/dependsOn/2',
      'CYCLE /tasks/1/dependsOn/1',
    ]));

  it('ends with the tasks that nothing depends on', () => {
    const compiled = compile({ tasks: [agent('a'), agent('b', { dependsOn: ['a'] }), agent('c')] });
    expect(compiled.ok && compiled.value.sinks).toEqual([1, 2]);
  });
});

describe('an expression of a definition', () => {
  it('is rejected with its place', () =>
    expect(
      brief({
        tasks: [
          agent('a', {
            when: '1 +',
            input: { deep: ['= x'] },
            forEach: { items: 'input.list.matches("a")' },
            compensation: { capability: 'undo', input: { id: '= tasks' } },
          }),
        ],
        output: { total: '= (' },
      }),
    ).toEqual([
      'BAD_EXPRESSION /tasks/0/when',
      'BAD_EXPRESSION /tasks/0/input/deep/0',
      'BAD_EXPRESSION /tasks/0/forEach/items',
      'BAD_EXPRESSION /tasks/0/compensation/input/id',
      'BAD_EXPRESSION /output/total',
    ]));

  it('can read only tasks that exist and are certain to have ended', () => {
    const b = agent('b', { dependsOn: ['a'], input: '= tasks.a.output' });
    expect(brief({ tasks: [agent('a'), b, agent('c', { dependsOn: ['b'], when: 'tasks.a.output == 1' })] })).toEqual(
      [],
    );
    expect(
      brief({
        tasks: [
          agent('a', { input: '= tasks.a.output' }),
          agent('b', { when: 'tasks.a.output' }),
          agent('c', { dependsOn: ['b'], forEach: { items: 'tasks.a.output' }, input: '= tasks.missing.output' }),
          agent('d', { compensation: { capability: 'undo', input: '= tasks.c.output' } }),
        ],
      }),
    ).toEqual([
      'NOT_A_DEPENDENCY /tasks/0/input',
      'NOT_A_DEPENDENCY /tasks/1/when',
      'NOT_A_DEPENDENCY /tasks/2/forEach/items',
      'UNKNOWN_TASK /tasks/2/input',
      'NOT_A_DEPENDENCY /tasks/3/compensation/input',
    ]);
  });

  it('can use an item only where there is one', () => {
    const each = { forEach: { items: '[1]' } };
    expect(ofTask({ capability: 'work', ...each, input: ['= item', '= index'] })).toEqual([]);
    expect(
      ofTask({ capability: 'work', ...each, compensation: { capability: 'undo', input: '= [item, self.output]' } }),
    ).toEqual([]);
    expect(ofTask({ capability: 'work', input: '= item' })).toEqual(['NO_ITEM /tasks/0/input']);
    expect(ofTask({ capability: 'work', ...each, when: 'index == 0' })).toEqual(['NO_ITEM /tasks/0/when']);
    expect(ofTask({ capability: 'work', forEach: { items: '[item]' } })).toEqual(['NO_ITEM /tasks/0/forEach/items']);
    expect(brief({ output: '= item' })).toEqual(['NO_ITEM /output']);
  });

  it('may read every task if it is that of the output', () => {
    expect(
      brief({ tasks: [agent('a'), agent('b')], output: { a: '= tasks.a.output', b: '= tasks.b.status' } }),
    ).toEqual([]);
    expect(brief({ output: '= tasks.b.output' })).toEqual(['UNKNOWN_TASK /output']);
  });
});

describe('a definition', () => {
  it('is rejected with all its errors at once', () => {
    const facts: Partial<DefinitionInput> = {
      tasks: [agent('a', { dependsOn: ['x'], role: 'r', when: '(' }), { id: 'b' }],
      saga: { select: { tasks: ['a', 'nobody'] } },
      output: '= tasks.c',
    };
    expect(brief(facts)).toEqual([
      'UNKNOWN_DEPENDENCY /tasks/0/dependsOn/0',
      'ROLE_OR_CAPABILITY /tasks/0',
      'BAD_EXPRESSION /tasks/0/when',
      'ONE_THING_ONLY /tasks/1',
      'UNKNOWN_TASK /output',
      'UNKNOWN_TASK /saga/select/tasks/1',
    ]);
    for (const { message } of issuesOf(facts)) expect(message).not.toBe('');
  });

  it('with thousands of errors reports two hundred', () =>
    expect(issuesOf({ tasks: Array.from({ length: 1_000 }, (_, n) => ({ id: `t${n}` })) })).toHaveLength(200));

  it('compiles with 3,000 tasks in a row or side by side', () => {
    const row = Array.from({ length: 3_000 }, (_, n) => agent(`t${n}`, { dependsOn: n === 0 ? [] : [`t${n - 1}`] }));
    expect(compile({ tasks: row })).toMatchObject({ ok: true });
    const wide = row.map((task) => ({ ...task, dependsOn: [] }));
    const join = agent('join', { dependsOn: wide.map(({ id }) => id), input: '= tasks.t2999.output' });
    expect(compile({ tasks: [...wide, join] })).toMatchObject({ ok: true, value: { sinks: [3_000] } });
  });

  it.each(['', '1', '1.0', '1.0.0.0', 'v1.0.0', 'latest', '^1.0.0', '1.0.0 '])(
    'has a semantic version: %j is refused',
    (version) => expect(WorkflowDefinition.safeParse({ name: 'w', version, tasks: [agent('a')] }).success).toBe(false),
  );

  it('must have a task', () =>
    expect(WorkflowDefinition.safeParse({ name: 'w', version: '1.0.0', tasks: [] }).success).toBe(false));

  it('is compiled once per digest', () => {
    const definition = parse({});
    const digest = 'ab'.repeat(32);
    expect(workflowOf(digest, definition)).toBe(workflowOf(digest, parse({})));
    expect(() => workflowOf('cd'.repeat(32), parse({ tasks: [{ id: 'a' }] }))).toThrow('bug: workflow report@1.0.0');
  });
});

describe('the static check of a saga', () => {
  const undo = { compensation: { capability: 'undo' } };

  it('warns of effects that are not compensated', () => {
    expect(warningsOf({ tasks: [agent('a', undo), agent('b'), { id: 'c', delayMs: 1 }] })).toEqual([
      'NO_COMPENSATION /tasks/1',
    ]);
    const sub = { id: 'sub', workflow: { name: 'child' } };
    const wait = { id: 'wait', waitFor: { kind: 'event', name: 'go' } } as const;
    expect(warningsOf({ tasks: [agent('a', undo), sub, wait] })).toEqual(['NO_COMPENSATION /tasks/1']);
    expect(warningsOf({ pattern: 'saga' })).toEqual(['NO_COMPENSATION /tasks/0']);
    expect(warningsOf({ tasks: [agent('a'), agent('b')] })).toEqual([]);
  });

  it('warns of compensations after the pivot, which can never run', () =>
    expect(
      warningsOf({
        tasks: [
          agent('a', undo),
          agent('b', { dependsOn: ['a'], pivot: true }),
          agent('c', { dependsOn: ['b'], ...undo }),
          agent('d', { dependsOn: ['c'], pivot: true }),
          agent('beside'),
        ],
      }),
    ).toEqual(['UNREACHABLE_COMPENSATION /tasks/2/compensation', 'SECOND_PIVOT /tasks/3/pivot']));
});
