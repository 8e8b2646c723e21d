import { describe, expect, it } from 'vitest';
import { executionDecider } from '../../domain/execution/decider.ts';
import type { ExecutionStreamEvent } from '../../domain/execution/events.ts';
import type { Execution } from '../../domain/execution/state.ts';
import { WorkflowDefinition } from '../../domain/workflow/definition.ts';
import { encodeEvents } from '../../eventstore/codec.ts';
import type { StoredEvent } from '../../eventstore/event-store.ts';
import { EMPTY_HEAD } from '../../eventstore/provenance.ts';
import { differences, replay } from './replay.ts';

const ID = '0190b5a4-5b9e-5cc1-8a52-3c6f6c9f0d11';
const STREAM = `execution-default.${ID}`;
const at = (second: number): string => `2026-07-01T12:00:0${second}.000Z`;

const definition = WorkflowDefinition.parse({
  name: 'ask',
  version: '1.0.0',
  tasks: [
    { id: 'approve', waitFor: { kind: 'decision', name: 'approval' } },
    { id: 'paid', waitFor: { kind: 'event', name: 'payment' }, dependsOn: ['approve'] },
  ],
});

type Command = Parameters<typeof executionDecider.decide>[0];
const COMMANDS: readonly Command[] = [
  {
    type: 'StartExecution',
    executionId: ID,
    workflow: { name: 'ask', version: '1.0.0', digest: '0'.repeat(64) },
    definition,
    input: null,
    tags: [],
    now: at(0),
  },
  { type: 'DecideStep', step: 'approve', option: 'approved', by: 'anna', comment: 'within budget', now: at(2) },
  { type: 'SignalExecution', name: 'payment', payload: 7, now: at(5) },
];

/** The stream as the store would give it. */
const stored = (change: (event: ExecutionStreamEvent) => ExecutionStreamEvent = (event) => event): StoredEvent[] => {
  let state: Execution = executionDecider.initialState();
  const events = COMMANDS.flatMap((command) => {
    const decision = executionDecider.decide(command, state);
    if (!decision.ok) throw new Error(decision.rejection.reason);
    state = decision.value.reduce(executionDecider.evolve, state);
    return decision.value;
  });
  const context = { tenant: 'default', commandId: 'c', correlationId: 'c', causationId: 'c', actor: 'test', at: at(5) };
  return encodeEvents(STREAM, context, events.map(change), EMPTY_HEAD).map((event, index) => ({
    ...event,
    stream: STREAM,
    revision: BigInt(index),
    position: BigInt(index + 1) * 10n,
    recordedAt: at(5),
  }));
};

describe('the replay of an execution', () => {
  it('describes each event in a sentence and ends at the state of the decider', () => {
    const { events, state, problems } = replay(stored());
    expect(problems).toEqual([]);
    expect(events.map(({ type, unit, summary }) => `${type} ${unit}: ${summary}`)).toEqual([
      'ExecutionStarted null: started ask@1.0.0, 2 steps',
      'StepWaiting approve: approve waits for a decision approval',
      'StepCompleted approve: approve decided: approved by anna (within budget)',
      'StepWaiting paid: paid waits for an event payment',
      'ExecutionSignalled null: event payment received from outside',
      'StepCompleted paid: paid completed',
      'ExecutionCompleted null: completed after 5000 ms',
    ]);
    expect(state).toMatchObject({
      status: 'completed',
      workflow: 'ask@1.0.0',
      revision: '6',
      steps: [
        { id: 'approve', state: 'completed', decision: { option: 'approved', by: 'anna', comment: 'within budget' } },
        { id: 'paid', state: 'completed', decision: null },
      ],
      timeSpent: { durationMs: 5_000, waitMs: 5_000, overheadMs: 0 },
    });
  });

  it('takes an event from outside for no decision, whatever it looks like', () => {
    const forged = stored((event) =>
      event.type === 'StepCompleted' && event.data.stepId === 'paid'
        ? { ...event, data: { ...event.data, output: { option: 'approved', by: 'anna' } } }
        : event,
    );
    expect(replay(forged).events.map(({ summary }) => summary)).toContain('paid completed');
  });

  it('shows the state at any revision', () => {
    const { state } = replay(stored().slice(0, 4));
    expect(state).toMatchObject({ status: 'executing', steps: [{ state: 'completed' }, { state: 'waiting' }] });
  });

  it('has no state before the first event', () => {
    expect(replay([]).state).toBeUndefined();
  });

  it('notices a changed event', () => {
    const events = stored();
    const changed = events.map((event, index) =>
      index === 2 ? { ...event, data: { ...(event.data as object), output: { option: 'rejected' } } } : event,
    );
    expect(replay(changed).problems).toEqual([expect.stringContaining('the hash chain is broken')]);
    expect(replay(events.filter((_, index) => index !== 4)).problems).toHaveLength(1);
  });

  it('notices an end whose times differ from those of its stream', () => {
    const wrong = stored((event) =>
      event.type === 'ExecutionCompleted' ? { ...event, data: { ...event.data, waitMs: 1, overheadMs: 4_999 } } : event,
    );
    expect(replay(wrong).problems).toEqual([
      'ExecutionCompleted reports waitMs 1, its stream gives 5000',
      'ExecutionCompleted reports overheadMs 4999, its stream gives 0',
    ]);
  });
});

describe('the status that a server reports', () => {
  const { state } = replay(stored());
  if (state === undefined) throw new Error('no state');
  const told = { status: 'COMPLETED', steps: state.steps.map(({ id }) => ({ id, state: 'COMPLETED' })) };

  it('is compared with the replay, including every step', () => {
    expect(differences(state, told)).toEqual([]);
    const other = { status: 'FAILED', steps: [{ id: 'approve', state: 'SKIPPED' }] };
    expect(differences(state, other)).toEqual([
      'status: replayed completed, the server has failed',
      'step approve: replayed completed, the server has skipped',
      'step paid: replayed completed, the server has nothing',
      'replayed 2 steps, the server has 1',
    ]);
  });
});
