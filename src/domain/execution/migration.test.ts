import { describe, expect, it } from 'vitest';
import {
  compensable,
  type DefinitionInput,
  definitionWith,
  Story,
  step,
  type TaskInput,
} from '../../../test/support/story.ts';
import { workflowOf } from '../workflow/compile.ts';
import { migrationProblems } from './migration.ts';

type Mapping = Record<string, string | null>;

/** Asks first and migrates then: both must say the same. */
const migrate = (
  story: Story,
  tasks: readonly TaskInput[],
  mapping: Mapping = {},
  facts: Partial<DefinitionInput> = {},
) => {
  const { workflow, definition } = definitionWith({ version: '2.0.0', tasks: [...tasks], ...facts });
  const problems = migrationProblems(story.state, workflowOf(workflow.digest, definition), mapping);
  const told = story.when({ type: 'MigrateExecution', workflow, definition, mapping });
  expect(told[0]).toBe(problems.length === 0 ? 'ExecutionMigrated' : 'refused ExecutionNotMigratable');
  return problems.length === 0 ? told : problems;
};

const running = () => {
  const story = Story.of([step('a'), step('b', ['a']), step('c', ['b'])]);
  story.complete('a');
  return story;
};

describe('an execution under a new version', () => {
  it('goes on from where it is', () => {
    const story = running();
    expect(migrate(story, [step('a'), step('b', ['a']), step('c', ['b']), step('d', ['c'])])).toEqual([
      'ExecutionMigrated',
    ]);
    story.complete('b');
    expect(story.complete('c')).toEqual(['TaskCompleted c', 'TaskSubmitted d']);
  });

  it('starts at once the steps that can start', () =>
    expect(migrate(running(), [step('a'), step('b', ['a']), step('c', ['b']), step('d', ['a']), step('e')])).toEqual([
      'ExecutionMigrated',
      'TaskSubmitted d',
      'TaskSubmitted e',
    ]));

  it('drops steps that have not started, and completes when nothing is left', () => {
    const story = running();
    expect(migrate(story, [step('a'), step('b', ['a'])])).toEqual(['ExecutionMigrated']);
    expect(story.complete('b')).toEqual(['TaskCompleted b', 'ExecutionCompleted']);
    const other = Story.of([step('a'), step('b', ['a'])]);
    other.when({ type: 'PauseExecution' });
    other.complete('a');
    expect(migrate(other, [step('a')], { b: null })).toEqual(['ExecutionMigrated']);
    expect(other.when({ type: 'ResumeExecution' })).toEqual(['ExecutionResumed', 'ExecutionCompleted']);
  });

  it('keeps steps that were started under another name', () => {
    const story = running();
    expect(migrate(story, [step('x'), step('y', ['x']), step('z', ['y'])], { a: 'x', b: 'y', c: 'z' })).toEqual([
      'ExecutionMigrated',
    ]);
    expect(story.complete('b', 'by its old task')).toEqual(['TaskCompleted y', 'TaskSubmitted z']);
    expect(story.taskOf('z').input).toEqual({ y: 'by its old task' });
  });

  it('can have steps that exchange names', () => {
    const story = Story.of([step('a'), step('b'), step('c', ['a', 'b'])]);
    expect(migrate(story, [step('a'), step('b'), step('c', ['a', 'b'])], { a: 'b', b: 'a' })).toEqual([
      'ExecutionMigrated',
    ]);
    story.complete('a', 'was a');
    story.complete('b', 'was b');
    expect(story.taskOf('c').input).toEqual({ a: 'was b', b: 'was a' });
  });

  it('never reuses the id of another task', () => {
    const story = Story.of([step('a'), step('b')]);
    story.refuse('a');
    story.release('b', false);
    story.when({ type: 'RetryExecution', step: 'a', input: 1 });
    migrate(story, [step('a'), step('b')], { a: 'b', b: 'a' });
    story.refuse('a');
    story.complete('b');
    story.when({ type: 'RetryExecution', step: 'b', input: 2 });
    const ids = story.log.flatMap(({ type, data }) => (type === 'TaskSubmitted' ? [data.taskId] : []));
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('keeps the inputs that its caller gave for its steps', () => {
    const story = Story.of([step('a'), step('b', ['a'])], {}, { inputs: { b: 'mine' } });
    migrate(story, [step('a'), step('y', ['a'])], { b: 'y' });
    story.complete('a');
    expect(story.taskOf('y').input).toBe('mine');
  });

  it('finds its sub-workflow, its timer and its event under the old names', () => {
    const waits = (names: readonly [string, string, string], event: string) => [
      step(names[0], [], { workflow: { name: 'child' } }),
      step(names[1], [], { delayMs: 10 }),
      step(names[2], [], { waitFor: { kind: 'event', name: event } }),
    ];
    const story = Story.of(waits(['a', 'b', 'c'], 'old'));
    const childId = story.state.steps.get(0).waiting?.childId ?? '';
    migrate(story, waits(['x', 'y', 'z'], 'new'), { a: 'x', b: 'y', c: 'z' });
    const outcome = { status: 'completed', output: 1 } as const;
    expect(story.when({ type: 'CloseChild', step: 'a', childId, outcome })).toEqual(['StepCompleted x']);
    expect(story.after(9).when({ type: 'WakeStep', step: 'b' })).toEqual([]);
    expect(story.after(1).when({ type: 'WakeStep', step: 'b' })).toEqual(['StepCompleted y']);
    expect(story.when({ type: 'SignalExecution', name: 'old', payload: 1 })).toEqual([
      'ExecutionSignalled',
      'StepCompleted z',
      'ExecutionCompleted',
    ]);
    expect(story.state.signals).toEqual([]);
  });

  it('can be one that failed, and goes on when it is retried', () => {
    const story = running();
    story.refuse('b');
    expect(migrate(story, [step('a'), step('y', ['a'])], { b: 'y', c: null })).toEqual(['ExecutionMigrated']);
    expect(story.when({ type: 'RetryExecution' })).toEqual(['ExecutionReopened y', 'TaskRedriven b #2']);
    expect(story.complete('b', 1, { attempt: 2 })).toEqual(['TaskCompleted y', 'ExecutionCompleted']);
  });

  it('goes on without failed steps where the new version does', () => {
    const story = running();
    story.refuse('b');
    migrate(story, [step('a'), step('b', ['a'], { onFailure: 'continue' }), step('c', ['b'])]);
    expect(story.when({ type: 'RetryExecution' })).toEqual(['ExecutionReopened', 'TaskSubmitted c']);
  });

  it('is compensated as the new version says', () => {
    const story = running();
    migrate(story, [compensable('a'), step('b', ['a'])]);
    expect(story.refuse('b')).toContain('CompensationStarted a');
  });

  it('cannot be compensated when a completed step is now the pivot', () => {
    const story = running();
    migrate(story, [compensable('a', [], { pivot: true }), step('b', ['a'])]);
    expect(story.refuse('b')).toContain('ExecutionFailed REFUSED');
  });

  it('continues a list from where it was', () => {
    const each = (id: string) => step(id, [], { forEach: { items: '[1, 2, 3]' } });
    const story = Story.of([each('a')], { coordination: { maxParallel: 1 } });
    migrate(story, [each('x')], { a: 'x' }, { coordination: { maxParallel: 1 } });
    expect(story.complete('a[0]')).toEqual(['TaskCompleted x[0]', 'TaskSubmitted x[1]']);
  });
});

describe('a migration is refused', () => {
  it('when something that has started has no place', () => {
    expect(migrate(running(), [step('a')])).toEqual([
      'b is open and has no place in the new version: map it to a task',
    ]);
    expect(migrate(running(), [step('b')], { a: null })).toEqual([
      'a is completed and has no place in the new version: map it to a task',
    ]);
  });

  it('when the mapping names what is not there', () =>
    expect(migrate(running(), [step('a'), step('b', ['a'])], { x: 'a', c: 'nowhere', toString: 'a' })).toEqual([
      'the mapping names x, which the present version does not have',
      'the mapping names toString, which the present version does not have',
      'c is mapped to nowhere, which the new version does not have',
    ]));

  it('when two steps would become one', () =>
    expect(migrate(running(), [step('a'), step('b', ['a'])], { c: 'b' })).toContain('b and c both become b'));

  it('when an open step would become another kind of task', () => {
    expect(migrate(running(), [step('a'), step('b', ['a'], { delayMs: 1 })])).toEqual([
      'b is open as a agent task, b is a delay task',
    ]);
    expect(migrate(running(), [step('a'), step('b', ['a'], { forEach: { items: '[1]' } })])).toEqual([
      'b and b differ in forEach',
    ]);
    expect(migrate(running(), [step('a', [], { delayMs: 1 }), step('b', ['a'])])).toEqual(['ExecutionMigrated']);
  });

  it('when a started step would depend on a step that has not ended', () => {
    expect(migrate(running(), [step('a'), step('n'), step('b', ['a', 'n'])])).toEqual([
      'b has started, and b depends on n, which has not ended',
    ]);
    const story = Story.of([step('a'), step('b')]);
    expect(migrate(story, [step('a'), step('b', ['a'])])).toEqual([
      'b has started, and b depends on a, which has not ended',
    ]);
    story.complete('a');
    expect(migrate(story, [step('a'), step('b', ['a'])])).toEqual(['ExecutionMigrated']);
  });

  it('for dependencies under their new names', () => {
    const story = Story.of([step('a'), step('b'), step('c', ['a'])]);
    story.complete('a');
    // c depends on b now, by the name that a had.
    expect(migrate(story, [step('x'), step('a'), step('c', ['a'])], { a: 'x', b: 'a' })).toEqual([
      'c has started, and c depends on a, which has not ended',
    ]);
    expect(migrate(story, [step('x'), step('b'), step('c', ['x'])], { a: 'x' })).toEqual(['ExecutionMigrated']);
    // It depends on what has completed, by a name that is new to it.
    const other = Story.of([step('a'), step('b'), step('c', ['b'])]);
    other.complete('a');
    other.complete('b');
    expect(migrate(other, [step('y'), step('b'), step('c', ['b', 'y'])], { a: 'y' })).toEqual(['ExecutionMigrated']);
  });

  it('when a failure that others went on from would fail the execution', () => {
    const story = Story.of([step('a', [], { onFailure: 'continue' }), step('b', ['a'])]);
    story.refuse('a');
    expect(migrate(story, [step('a'), step('b', ['a'])])).toEqual([
      'a is failed, which fails the execution in the new version',
    ]);
  });

  it('when a step that is to be repeated would be dropped', () => {
    const story = running();
    story.when({ type: 'PauseExecution' });
    story.refuse('b');
    story.when({ type: 'RetryExecution' });
    expect(story.phaseOf('b')).toBe('pending');
    expect(migrate(story, [step('a')], { b: null })).toEqual([
      'b is pending and has no place in the new version: map it to a task',
    ]);
  });

  it('when the execution has ended, or is about to', () => {
    const story = Story.of([compensable('a'), step('b', ['a'])]);
    story.complete('a');
    story.refuse('b');
    expect(migrate(story, [step('a'), step('b', ['a'])])).toEqual(['the execution is compensating and about to end']);
    story.complete('~a');
    expect(migrate(story, [step('a'), step('b', ['a'])])).toEqual(['the execution has ended: it is compensated']);
    const done = Story.of([step('a')]);
    done.complete('a');
    expect(migrate(done, [step('a')])).toEqual(['the execution has ended: it is completed']);
  });
});
