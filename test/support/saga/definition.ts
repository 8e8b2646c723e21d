import type { z } from 'zod';
import { COMPENSATION_STRATEGIES, WorkflowDefinition } from '../../../src/domain/workflow/definition.ts';
import type { Dice } from './dice.ts';

type TaskInput = z.input<typeof WorkflowDefinition>['tasks'][number];

/** What a step does. */
const bodyOf = (dice: Dice): Partial<TaskInput> => {
  const roll = dice.next();
  if (roll < 0.76) return { capability: 'work' };
  if (roll < 0.88) {
    const items = Array.from({ length: dice.below(5) }, (_, item) => item);
    return {
      capability: 'work',
      forEach: { items: JSON.stringify(items), maxItems: dice.chance(0.05) ? 1 : 100 },
      // An input that cannot be made for the items from the third on.
      ...(dice.chance(0.1) ? { input: '= [1, 2][int(index)]' } : {}),
    };
  }
  if (roll < 0.92) return { delayMs: 1_000 };
  if (roll < 0.95) return { waitFor: { kind: 'decision', name: 'approve', timeoutMs: 60_000 } };
  if (roll < 0.97) return { waitFor: { kind: 'event', name: 'go' } };
  return { workflow: { name: 'child' } };
};

const waits = ({ delayMs, waitFor }: Partial<TaskInput>): boolean => delayMs !== undefined || waitFor !== undefined;

const rollTask = (dice: Dice, index: number, density: number): TaskInput => {
  const body = bodyOf(dice);
  const compensation = { capability: 'undo', retry: { kind: 'immediate', maxAttempts: 1 + dice.below(2) } } as const;
  return {
    id: `s${index}`,
    ...body,
    dependsOn: Array.from({ length: index }, (_, before) => `s${before}`).filter(() => dice.chance(density)),
    retry: { kind: 'immediate', maxAttempts: 1 + dice.below(3) },
    onFailure: dice.chance(0.75) ? 'fail' : dice.pick(['skip', 'continue'] as const),
    ...(!waits(body) && dice.chance(0.7) ? { compensation } : {}),
    ...(dice.chance(0.1) ? { when: dice.chance(0.6) ? 'false' : 'true' } : {}),
    compensate: dice.chance(0.4),
    tags: dice.chance(0.2) ? ['money'] : [],
  };
};

/** A saga of 2 to 12 steps, most of them done by agents. */
export const rollDefinition = (dice: Dice): WorkflowDefinition => {
  const density = dice.pick([0.15, 0.35, 0.6]);
  const tasks = Array.from({ length: 2 + dice.below(11) }, (_, index) => rollTask(dice, index, density));
  const pivot = dice.chance(0.3) ? dice.pick(tasks) : undefined;
  return WorkflowDefinition.parse({
    name: 'saga',
    version: '1.0.0',
    pattern: 'saga',
    tasks: tasks.map((task) =>
      task === pivot && task.forEach === undefined && task.capability !== undefined ? { ...task, pivot: true } : task,
    ),
    coordination: { maxParallel: dice.pick([1, 2, 3, 200]) },
    saga: {
      strategy: dice.pick(COMPENSATION_STRATEGIES),
      scope: dice.pick(['all', 'affected'] as const),
      select: { tasks: [dice.pick(tasks).id], tags: dice.chance(0.5) ? ['money'] : [] },
      onCompensationFailure: dice.pick(['stop', 'continue'] as const),
    },
    ...(dice.chance(0.1) ? { timeoutMs: 1 + dice.below(60_000) } : {}),
  });
};
