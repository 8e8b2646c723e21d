import { describe, expect, it } from 'vitest';
import { compensable, Story, step } from '../../../test/support/story.ts';
import { SHOWN_PAYLOAD_BYTES } from '../../domain/execution/steps.ts';
import { ExecutionStatusView, executionStatusOf, SHOWN_PAYLOADS_BYTES } from './execution-status.ts';
import { openApiDocument } from './openapi.ts';

const failing = () => {
  const story = Story.of([compensable('a'), compensable('b', ['a']), step('c', ['b'])], {
    saga: { strategy: 'backward' },
  });
  story.complete('a');
  story.complete('b');
  story.refuse('c');
  return story;
};
const viewOf = (story: Story) => executionStatusOf(story.state, Date.parse(story.now()));
const debtsOf = (story: Story) =>
  viewOf(story).compensation?.debts.map(({ unit, state, status }) => `${unit} ${state} (${status})`);

describe('the debts of an execution', () => {
  it('have the states of GraphQL, and the statuses they always had', () => {
    const story = failing();
    expect(debtsOf(story)).toEqual(['b running (open)', 'a owed (pending)']);
    story.refuse('~b');
    expect(debtsOf(story)).toEqual(['b parked (parked)', 'a owed (pending)']);
    story.when({ type: 'HandOverCompensation', unit: 'b', to: 'ops' });
    expect(debtsOf(story)).toEqual(['b handed_over (parked)', 'a owed (pending)']);
    story.when({ type: 'SkipCompensation', unit: 'b', reason: 'done by hand' });
    expect(debtsOf(story)).toEqual(['b skipped (skipped)', 'a running (open)']);
    story.complete('~a');
    expect(debtsOf(story)).toEqual(['b skipped (skipped)', 'a completed (completed)']);
  });

  it('fit the documented schema', () => expect(ExecutionStatusView.safeParse(viewOf(failing())).error).toBeUndefined());

  it('have a status that the document marks as deprecated', () => {
    expect(openApiDocument('1').components?.schemas?.['ExecutionStatus']).toMatchObject({
      properties: {
        compensation: {
          properties: {
            debts: {
              items: {
                required: expect.arrayContaining(['state', 'status']),
                properties: {
                  state: { enum: ['owed', 'running', 'parked', 'handed_over', 'completed', 'skipped'] },
                  status: { deprecated: true, enum: ['pending', 'open', 'completed', 'parked', 'skipped'] },
                },
              },
            },
          },
        },
      },
    });
  });
});

describe('the items of a step', () => {
  it('are counted', () => {
    const story = Story.of(
      [step('a', [], { forEach: { items: 'input' }, onFailure: 'continue' })],
      {},
      { input: [1, 2, 3] },
    );
    story.complete('a[0]');
    story.refuse('a[1]');
    expect(viewOf(story).steps[0]?.items).toEqual({ total: 3, ended: 2, failed: 1 });
  });
});

describe('inputs and outputs of steps', () => {
  const story = Story.of([step('a', [], { input: { n: 1 } }), step('b', [], { input: { n: 2 } })]);
  story.complete('a', 'done');
  story.complete('b', 'x'.repeat(SHOWN_PAYLOAD_BYTES));

  it('are shown on request, each with its size; a large one only with its size', () => {
    const view = executionStatusOf(story.state, Date.parse(story.now()), { payloads: true });
    expect(ExecutionStatusView.safeParse(view).error).toBeUndefined();
    expect(view.steps).toMatchObject([
      { id: 'a', input: { n: 1 }, inputBytes: 7, output: 'done', outputBytes: 6 },
      { id: 'b', input: { n: 2 }, outputBytes: SHOWN_PAYLOAD_BYTES + 2 },
    ]);
    expect(view.steps[1]).not.toHaveProperty('output');
  });

  it('are shown up to a limit for the answer', () => {
    const value = 'x'.repeat(SHOWN_PAYLOAD_BYTES - 2);
    const steps = Array.from({ length: SHOWN_PAYLOADS_BYTES / SHOWN_PAYLOAD_BYTES + 1 }, (_, index) =>
      step(`s${index}`, [], { input: value }),
    );
    const wide = Story.of(steps);
    for (const { id } of steps) wide.complete(id, null);
    const view = executionStatusOf(wide.state, Date.parse(wide.now()), { payloads: true });
    expect(view.steps[0]).toMatchObject({ input: value, inputBytes: SHOWN_PAYLOAD_BYTES });
    expect(view.steps.at(-1)).toMatchObject({ inputBytes: SHOWN_PAYLOAD_BYTES });
    expect(view.steps.at(-1)).not.toHaveProperty('input');
  });

  it('are left out otherwise', () => expect(viewOf(story).steps[0]).not.toHaveProperty('input'));
});

describe('a step that waited for a person', () => {
  it('shows what was decided', () => {
    const story = Story.of([step('a', [], { waitFor: { kind: 'decision', name: 'ok' } })]);
    story.when({ type: 'DecideStep', step: 'a', option: 'approved', by: 'ada', comment: 'fine' });
    expect(viewOf(story).steps[0]?.decision).toEqual({ option: 'approved', by: 'ada', comment: 'fine' });
  });
});
