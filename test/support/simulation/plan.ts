import { type Dice, randomWorkflow, SUB_WORKFLOWS } from '../executions-definitions.ts';
import { type Faults, NO_FAULTS } from './server.ts';
import { type Manners, WELL_BEHAVED } from './sim-agents.ts';

/** What can go wrong, or is out of the ordinary. A world has some of these, so that what must hold without the others can be checked. */
export const TROUBLES = [
  'store pauses',
  'Postgres pauses',
  'Redis pauses',
  'Redis flushes',
  'lost messages',
  'late messages',
  'dropped subscriptions',
  'suspensions',
  'kills',
  'clock steps',
  'newer events',
  'bad agents',
  'slow agents',
  'careful agents',
  'odd payloads',
] as const;
/** Large worlds, which take seconds: never by chance. */
export const HERDS = ['herd', 'many requirements', 'many debts'] as const;
/** Worlds of another kind: only where a test asks for them, so that a seed means what it meant before there were such worlds. */
export const ON_REQUEST = ['dependencies'] as const;
export type Trouble = (typeof TROUBLES)[number] | (typeof HERDS)[number] | (typeof ON_REQUEST)[number];

export type Action =
  | { readonly kind: 'submit'; readonly key: string; readonly input: Readonly<Record<string, unknown>> }
  | { readonly kind: 'start'; readonly key: string; readonly name: string; readonly input: unknown }
  | { readonly kind: 'cancelTask' | 'cancelExecution' | 'flush' | 'drop' }
  | { readonly kind: 'pause'; readonly store: 'log' | 'postgres' | 'redis'; readonly forMs: number }
  | { readonly kind: 'suspend'; readonly all: boolean; readonly forMs: number }
  | { readonly kind: 'kill'; readonly forMs: number }
  | { readonly kind: 'step'; readonly all: boolean; readonly byMs: number }
  | { readonly kind: 'newerEvent'; readonly isKnownType: boolean };

export type Plan = {
  readonly troubles: ReadonlySet<Trouble>;
  readonly nodes: number;
  readonly dispatchConcurrency: number;
  readonly logServiceMs: number;
  readonly agents: readonly {
    readonly agentId: string;
    readonly maxConcurrency: number;
    readonly delivery: 'at_least_once' | 'at_most_once';
    readonly beats: boolean;
  }[];
  readonly workflows: readonly { readonly name: string }[];
  readonly manners: Manners;
  readonly logFaults: Faults;
  /** In order of time. */
  readonly actions: readonly { readonly atMs: number; readonly action: Action }[];
  /** From here on nothing goes wrong any more. */
  readonly calmFromMs: number;
};

const FROM_MS = 10_000;
/** How long clients and faults come; mostly short, so that many worlds can be looked at. */
const BUSY_MS = [35_000, 35_000, 150_000];

/** By hand, by a time server, or because a machine wakes up with another time. */
const CLOCK_STEPS_MS = [-3_600_000, -60_000, -2_000, 2_000, 60_000, 3_600_000];

const taskOf = (dice: Dice): Readonly<Record<string, unknown>> => ({
  capability: 'work',
  priority: 1 + dice.below(5),
  timeoutMs: dice.one([2_000, 5_000, 20_000]),
  retry: { maxAttempts: 1 + dice.below(3), baseMs: 100, maxDelayMs: 1_000 },
  ...(dice.chance(0.3) ? { deadlineMs: 3_000 + dice.below(30_000) } : {}),
});

/** The faults of one trouble. */
const faultsOf = (trouble: Trouble, busyMs: number, dice: Dice): Action[] => {
  const times = 1 + dice.below(3);
  const many = (one: () => Action): Action[] => Array.from({ length: times }, one);
  const forMs = (): number => dice.one([500, 3_000, 15_000, busyMs]);
  switch (trouble) {
    case 'store pauses':
      return many(() => ({ kind: 'pause', store: 'log', forMs: forMs() }));
    case 'Postgres pauses':
      return many(() => ({ kind: 'pause', store: 'postgres', forMs: forMs() }));
    case 'Redis pauses':
      return many(() => ({ kind: 'pause', store: 'redis', forMs: dice.one([1_000, 15_000, 40_000, busyMs]) }));
    case 'Redis flushes':
      return many(() => ({ kind: 'flush' }));
    case 'dropped subscriptions':
      return many(() => ({ kind: 'drop' }));
    case 'suspensions':
      return many(() => ({ kind: 'suspend', all: dice.chance(0.3), forMs: dice.one([2_000, 7_000, 60_000, 600_000]) }));
    case 'kills':
      return many(() => ({ kind: 'kill', forMs: 500 + dice.below(10_000) }));
    case 'clock steps':
      return many(() => ({ kind: 'step', all: dice.chance(0.4), byMs: dice.one(CLOCK_STEPS_MS) }));
    case 'newer events':
      return many(() => ({ kind: 'newerEvent', isKnownType: dice.chance(0.5) }));
    default:
      return [];
  }
};

/** Nobody sends events or decides in a simulated world. */
const withoutWaits = (definition: { readonly name: string; readonly tasks: object[] }) => ({
  ...definition,
  tasks: definition.tasks.map((task) => {
    if (!('waitFor' in task)) return task;
    const { waitFor: _, ...others } = task;
    return { ...others, delayMs: 500 };
  }),
});

const LONG = 'x'.repeat(100);
/** With names this long, the plan of their compensation takes more than one append: each item of the one list waits for all of the other. */
const DEBTS = 110;
const compensable = { capability: 'work', compensation: { capability: 'work', timeoutMs: 5_000 } };
const MANY_DEBTS = {
  name: 'debts',
  version: '1.0.0',
  tasks: [
    { id: `a${LONG}`, ...compensable, forEach: { items: 'input.items', maxItems: DEBTS } },
    { id: `b${LONG}`, ...compensable, dependsOn: [`a${LONG}`], forEach: { items: 'input.items', maxItems: DEBTS } },
    { id: 'breaks', capability: 'work', dependsOn: [`b${LONG}`], input: { x: '= 1 / 0' } },
  ],
  saga: { strategy: 'cascade' },
};

const agentsOf = (areCareful: boolean, dice: Dice): Plan['agents'] =>
  ['anna', 'bert', 'carl'].slice(0, 1 + dice.below(3)).map((agentId) => ({
    agentId,
    maxConcurrency: 1 + dice.below(3),
    delivery: !areCareful && dice.chance(0.7) ? 'at_least_once' : 'at_most_once',
    beats: dice.chance(0.6),
  }));

const HERD = 300;
const HERD_AT_MS = 12_000;
const HERD_GAP_MS = 80;
/** As long as the log takes for all of them, and more. */
const HERD_ENDS_MS = 45_000;

/** Many tasks for which there is no agent, and which end by one deadline; or each of which needs another agent. */
const herdsOf = (troubles: ReadonlySet<Trouble>): Plan['actions'] => {
  const many = (input: (index: number) => Readonly<Record<string, unknown>>): Plan['actions'] =>
    Array.from({ length: HERD }, (_, index) => ({
      atMs: HERD_AT_MS + index * HERD_GAP_MS,
      action: { kind: 'submit', key: `herd-${index}`, input: input(index) },
    }));
  return [
    ...(troubles.has('herd')
      ? many((index) => ({ capability: 'nobody', deadlineMs: HERD_ENDS_MS - index * HERD_GAP_MS }))
      : []),
    ...(troubles.has('many debts')
      ? [
          {
            atMs: HERD_AT_MS,
            action: {
              kind: 'start' as const,
              key: 'debts',
              name: 'debts',
              input: { items: Array.from({ length: DEBTS }, (_, index) => index) },
            },
          },
        ]
      : []),
    ...(troubles.has('many requirements')
      ? many((index) => ({ capability: `other-${index}`, deadlineMs: 60_000 }))
      : []),
  ];
};

/**
 * A random plan: some work, a few troubles. About 50 events.
 *
 * @param forced the troubles, where a random choice of them is not wanted
 */
export const planOf = (dice: Dice, forced?: readonly Trouble[]): Plan => {
  // Often one alone: what must hold without the others can be checked best then.
  const thrown = Array.from({ length: dice.one([1, 1, 1, 2, 3, 4]) }, () => dice.one(TROUBLES));
  const troubles: ReadonlySet<Trouble> = new Set(forced ?? thrown);
  const workflow = withoutWaits(randomWorkflow(dice, 'main'));
  const work: Action[] = Array.from({ length: 8 + dice.below(16) }, (_, index) => ({
    kind: 'submit',
    key: `task-${dice.chance(0.1) ? 0 : index}`,
    input: taskOf(dice),
  }));
  for (let run = dice.below(3); run > 0; run -= 1)
    work.push({ kind: 'start', key: `run-${run}`, name: 'main', input: { items: [1, 2], flag: dice.chance(0.5) } });
  if (dice.chance(0.3)) work.push({ kind: 'cancelTask' });
  if (dice.chance(0.2)) work.push({ kind: 'cancelExecution' });
  const busyMs = dice.one(BUSY_MS);
  const faults = [...troubles].flatMap((trouble) => faultsOf(trouble, busyMs, dice));
  const actions = [...work, ...faults]
    .map((action) => ({ atMs: FROM_MS + dice.below(busyMs - FROM_MS), action }))
    .concat(herdsOf(troubles))
    .sort((a, b) => a.atMs - b.atMs);
  const has = (trouble: Trouble): boolean => troubles.has(trouble);
  return {
    troubles,
    nodes: 1 + dice.below(2),
    dispatchConcurrency: has('slow agents') ? 2 : dice.one([2, 20]),
    logServiceMs: has('herd') ? 60 : 0,
    agents: agentsOf(has('careful agents'), dice),
    workflows: [...(SUB_WORKFLOWS as { name: string }[]), workflow, ...(has('many debts') ? [MANY_DEBTS] : [])],
    manners: {
      ...WELL_BEHAVED,
      ...(has('bad agents') ? { fails: 15, isCutOff: 10, hangs: 8 } : {}),
      ...(has('slow agents') ? { mostMs: 18_000 } : {}),
      ...(has('odd payloads') ? { answersDeep: 30, answersLarge: 20 } : {}),
    },
    logFaults: {
      ...NO_FAULTS,
      ...(has('lost messages') ? { lostRequest: 0.03, lostAnswer: 0.03 } : {}),
      ...(has('late messages') ? { late: 0.03 } : {}),
    },
    actions,
    calmFromMs: Math.max(busyMs + FROM_MS, actions.at(-1)?.atMs ?? 0),
  };
};
