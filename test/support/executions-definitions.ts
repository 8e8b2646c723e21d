/** Picks from what a seed gives. */
export type Dice = {
  below(limit: number): number;
  one<T>(items: readonly T[]): T;
  chance(of: number): boolean;
};

export const diceOf = (random: () => number): Dice => {
  const below = (limit: number): number => Math.floor(random() * limit);
  return {
    below,
    one: (items) => items[below(items.length)] as (typeof items)[number],
    chance: (of) => random() < of,
  };
};

export const EVENTS = ['ping', 'pong'];
/** Sub-workflows that there are, and one that there is not. */
const CHILDREN = ['pair', 'pair', 'nested', 'ghost'];

const dependencies = (dice: Dice, before: readonly string[]): string[] => {
  if (before.length === 0 || dice.chance(0.3)) return [];
  const last = before.at(-1) as string;
  return dice.chance(0.5) ? [last] : [...new Set([dice.one(before), last])];
};

/** What a step does: mostly, an agent. */
const work = (dice: Dice): object => {
  const roll = dice.below(100);
  if (roll < 60) return { capability: 'work' };
  if (roll < 74) return { capability: 'work', forEach: { items: 'input.items', maxItems: 3 } };
  // Some items make no input.
  if (roll < 77) return { capability: 'work', forEach: { items: 'input.items' }, input: { per: '= 1 / item' } };
  if (roll < 84) return { delayMs: dice.below(3_000) };
  if (roll < 89) {
    const timeout = dice.chance(0.5) ? { timeoutMs: 500 + dice.below(3_000) } : {};
    return { waitFor: { kind: 'event', name: dice.one(EVENTS), ...timeout } };
  }
  if (roll < 92) return { waitFor: { kind: 'decision', name: 'approval' } };
  return { workflow: { name: dice.one(CHILDREN) } };
};

const step = (dice: Dice, id: string, before: readonly string[]): object => {
  const done = work(dice);
  const byAgent = 'capability' in done;
  const waits = 'waitFor' in done || 'delayMs' in done;
  return {
    id,
    dependsOn: dependencies(dice, before),
    ...done,
    ...(byAgent ? { timeoutMs: 2_000, retry: { maxAttempts: 1 + dice.below(3), baseMs: 100, maxDelayMs: 500 } } : {}),
    ...(!waits && dice.chance(0.65)
      ? {
          compensation: { capability: 'work', timeoutMs: 2_000, retry: { maxAttempts: 1 + dice.below(2), baseMs: 50 } },
        }
      : {}),
    ...(byAgent && !('forEach' in done) && dice.chance(0.15) ? { pivot: true } : {}),
    ...(dice.chance(0.15) ? { when: 'input.flag' } : {}),
    onFailure: dice.one(['fail', 'fail', 'fail', 'fail', 'skip', 'continue']),
    compensate: dice.chance(0.5),
    tags: dice.chance(0.3) ? ['dear'] : [],
  };
};

/** A definition of two to six steps: chains, diamonds, lists, waits, sub-workflows, with undos here and there. */
export const randomWorkflow = (dice: Dice, name: string): { readonly name: string; readonly tasks: object[] } => {
  const ids = ['a', 'b', 'c', 'd', 'e', 'f'].slice(0, 2 + dice.below(5));
  return {
    name,
    version: '1.0.0',
    tasks: ids.map((id, index) => step(dice, id, ids.slice(0, index))),
    coordination: { maxParallel: dice.one([1, 2, 200]) },
    saga: {
      strategy: dice.one(['backward', 'forward', 'parallel', 'selective', 'cascade', 'cascade']),
      scope: dice.one(['all', 'affected']),
      select: { tags: ['dear'] },
      onCompensationFailure: dice.one(['stop', 'continue']),
    },
    ...(dice.chance(0.2) ? { timeoutMs: 3_000 + dice.below(20_000) } : {}),
  } as { readonly name: string; readonly tasks: object[] };
};

/** Three steps with undos, alone or side by side, and one that often fails. */
export const saga = (dice: Dice, name: string): { readonly name: string; readonly tasks: object[] } => {
  const chained = dice.chance(0.5);
  const facts = { capability: 'work', timeoutMs: 2_000, retry: { maxAttempts: 2, baseMs: 100 } };
  const compensation = { capability: 'work', timeoutMs: 2_000, retry: { maxAttempts: 2, baseMs: 50 } };
  const steps = ['a', 'b', 'c'].map((id, index, ids) => ({
    id,
    ...facts,
    compensation,
    dependsOn: chained && index > 0 ? [ids[index - 1]] : [],
  }));
  const last = { id: 'd', ...facts, dependsOn: ['a', chained ? 'c' : 'b'], when: 'input.missing' };
  const strategy = dice.one(['backward', 'cascade', 'forward']);
  return { name, version: '1.0.0', tasks: [...steps, last], saga: { strategy } } as ReturnType<typeof saga>;
};

/** The same with its first step under another name, and one more at the end. */
export const renamed = (definition: { readonly tasks: readonly object[] }): object => {
  const text = JSON.stringify(definition.tasks).replaceAll('"a"', '"first"');
  const tasks = JSON.parse(text) as { readonly id: string }[];
  const last = { id: 'more', capability: 'work', dependsOn: [(tasks.at(-1) as { readonly id: string }).id] };
  return { ...definition, version: '2.0.0', tasks: [...tasks, last] };
};

const undo = { compensation: { capability: 'work', timeoutMs: 2_000 } };

export const SUB_WORKFLOWS: readonly object[] = [
  {
    name: 'pair',
    version: '1.0.0',
    tasks: [
      { id: 'one', capability: 'work', retry: { maxAttempts: 2, baseMs: 50 }, timeoutMs: 2_000, ...undo },
      { id: 'two', capability: 'work', dependsOn: ['one'], retry: { maxAttempts: 1 }, timeoutMs: 2_000 },
    ],
  },
  {
    name: 'nested',
    version: '1.0.0',
    tasks: [
      { id: 'inner', workflow: { name: 'pair' }, ...undo },
      { id: 'outer', capability: 'work', dependsOn: ['inner'], timeoutMs: 2_000, pivot: true },
    ],
  },
];
