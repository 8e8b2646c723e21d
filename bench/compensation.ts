import type { ExecutionCommand } from '#baton/domain/execution/commands.js';
import { executionDecider } from '#baton/domain/execution/decider.js';
import type { Execution } from '#baton/domain/execution/state.js';
import { WorkflowDefinition } from '#baton/domain/workflow/definition.js';
import { type Bench, Figures, median, round } from './harness.ts';

const EXECUTION = '7c9e6679-7425-5e0d-9a5b-6f1f0a7d3c21';
const NOW = '2026-03-01T12:00:00.000Z';
const SIZES = [1_000, 10_000];
/** Compensations per figure, the first of each saga. */
const UNDONE = 200;

class Saga {
  #state: Execution = executionDecider.initialState();
  #open: string[] = [];

  decide(command: ExecutionCommand): void {
    const decision = executionDecider.decideAndEvolve?.(command, this.#state);
    if (!decision?.ok) throw new Error(JSON.stringify(decision));
    this.#state = decision.value.state;
    for (const { type, data } of decision.value.events) if (type === 'TaskSubmitted') this.#open.push(data.taskId);
  }

  completeNext(): void {
    const taskId = this.#open.shift();
    if (taskId === undefined) throw new Error('nothing is open');
    const command = {
      type: 'CompleteAttempt',
      attempt: 1,
      agentId: 'anna',
      result: null,
      durationMs: 1,
      now: NOW,
    } as const;
    this.decide({ type: 'RunTask', taskId, command, now: NOW });
  }
}

/** A saga whose steps have completed, and that begins to compensate them one by one. */
const abortedSaga = (debts: number): Saga => {
  const retry = { kind: 'immediate' as const, maxAttempts: 1 };
  const definition = WorkflowDefinition.parse({
    name: 'bench',
    version: '1.0.0',
    coordination: { maxParallel: 1_000 },
    saga: { strategy: 'backward' },
    tasks: [
      {
        id: 'each',
        capability: 'work',
        retry,
        forEach: { items: 'input', maxItems: debts },
        compensation: { capability: 'undo', retry },
      },
      { id: 'wait', dependsOn: ['each'], waitFor: { kind: 'event', name: 'go' } },
    ],
  });
  const saga = new Saga();
  const workflow = { name: 'bench', version: '1.0.0', digest: debts.toString(16).padStart(64, '0') };
  const input = Array.from({ length: debts }, (_, index) => index);
  saga.decide({ type: 'StartExecution', executionId: EXECUTION, workflow, definition, input, tags: [], now: NOW });
  for (let step = 0; step < debts; step += 1) saga.completeNext();
  saga.decide({ type: 'CancelExecution', compensate: true, now: NOW });
  return saga;
};

const undoMs = (debts: number): number => {
  const saga = abortedSaga(debts);
  const before = process.cpuUsage();
  for (let undone = 0; undone < UNDONE; undone += 1) saga.completeNext();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000 / UNDONE;
};

export const compensation: Bench = {
  question: 'How long does deciding one compensation take, by the number of those that are owed?',
  async run({ runs, say }) {
    const figures = new Figures();
    const ratios: number[] = [];
    for (let run = 1; run <= runs; run += 1) {
      say(`run ${run} of ${runs}`);
      const [of1k, of10k] = SIZES.map(undoMs) as [number, number];
      figures.add('undoOf1000Ms', of1k, 'ms');
      figures.add('undoOf10000Ms', of10k, 'ms');
      ratios.push(of10k / of1k);
    }
    return { runs, figures: figures.spreads(), ratios: { time10kOver1k: round(median(ratios)) } };
  },
};
