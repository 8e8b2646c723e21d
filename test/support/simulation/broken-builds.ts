import type { Change } from './broken-worlds.ts';
import type { Trouble } from './plan.ts';

/** A defect that the product once had, put back. */
export type BrokenBuild = {
  readonly title: string;
  readonly changes: readonly Change[];
  readonly rules: readonly string[];
  readonly troubles: readonly Trouble[];
  /** A world in which it shows; the search begins there. */
  readonly seed: number;
};

export const BROKEN_BUILDS: readonly BrokenBuild[] = [
  {
    title: 'cannot record what it builds around a result that is nested to the limit',
    changes: [
      { file: 'src/domain/json.ts', from: 'BUILT_LEVELS = 16', to: 'BUILT_LEVELS = 0' },
      {
        file: 'src/domain/execution/inputs.ts',
        from: 'if (isDeeperThan(MAX_BUILT_DEPTH, value))',
        to: 'if (isDeeperThan(1_000, value))',
      },
    ],
    rules: ['bug', 'L1'],
    troubles: ['odd payloads', 'bad agents'],
    seed: 1,
  },
  {
    title: 'cannot record a plan of compensation that is larger than an append',
    changes: [
      {
        file: 'src/domain/compensation/plan.ts',
        from: 'const MAX_AFTER = 128 * 1024;',
        to: 'const MAX_AFTER = Number.POSITIVE_INFINITY;',
      },
      {
        file: 'src/domain/execution/record-plan.ts',
        from: 'const PLAN_BYTES = 192 * 1024;',
        to: 'const PLAN_BYTES = Number.POSITIVE_INFINITY;',
      },
    ],
    rules: ['L1'],
    troubles: ['many debts'],
    seed: 1,
  },
  {
    title: 'assigns more than its dispatchers can call',
    changes: [
      {
        file: 'src/processes/assigner/assigner.ts',
        from: "this.#ledger.places.limit('a2a', await places?.of(pool).catch(() => undefined));",
        to: 'await places?.of(pool).catch(() => undefined);',
      },
    ],
    rules: ['places'],
    troubles: ['slow agents'],
    seed: 1,
  },
  {
    title: 'starts all timers that are due at once, again and again',
    changes: [
      {
        file: 'src/processes/assigner/assigner.ts',
        from: 'MAX_TIMERS_UNDER_WAY = 64',
        to: 'MAX_TIMERS_UNDER_WAY = 1_000_000',
      },
      {
        file: 'src/processes/assigner/assigner.ts',
        from: 'if (!this.#underWay.has(keyOf(timer))) void this.#carryOut(timer);',
        to: 'void this.#carryOut(timer);',
      },
    ],
    rules: ['deadline', 'L1'],
    troubles: ['herd'],
    seed: 1,
  },
  {
    title: 'counts the silence of agents while it was suspended',
    changes: [
      {
        file: 'src/processes/health/silence.ts',
        from: 'if (pausedMs <= SUSPENDED_AFTER_MS) return true;',
        to: 'if (pausedMs <= Number.POSITIVE_INFINITY) return true;',
      },
      {
        file: 'src/processes/health/health-monitor.ts',
        from: 'if (!this.#notice() || !leads()) return;',
        to: 'this.#notice();',
      },
      {
        file: 'src/platform/lease.ts',
        from: "if (this.#options.clock.monotonic() >= this.#heldUntil) this.#lose('it was not renewed in time');",
        to: '',
      },
    ],
    rules: ['health'],
    troubles: ['suspensions'],
    seed: 7,
  },
  {
    title: 'looks at every requirement for each decision',
    changes: [
      {
        file: 'src/domain/pool/ledger.ts',
        from: 'const task = this.#queue.next(nowMs, lanes);',
        to: `const task = [...this.#queue.heads()]
        .filter((head) => this.#matching.skillsFor(head).some(({ free, lane }) => free > 0 && lanes.includes(lane)))
        .sort((a, b) => a.readyMs + a.priority * 30_000 - b.readyMs - b.priority * 30_000)[0];`,
      },
    ],
    rules: ['work'],
    troubles: ['many requirements'],
    seed: 1,
  },
  {
    title: 'ends its term at an event that it does not know',
    changes: [
      {
        file: 'src/processes/parked-streams.ts',
        from: 'const decoded = readEvent(event);',
        to: "const decoded = readEvent(event);\n    if (!decoded) throw new Error('unknown event');",
      },
    ],
    rules: ['elections', 'L1'],
    troubles: ['newer events'],
    seed: 1,
  },
  {
    title: 'waits for the queue before it decides again',
    changes: [
      {
        file: 'src/processes/assigner/assigner.ts',
        from: 'this.#offers.offer(assignments);',
        to: 'await this.#offers.offer(assignments);',
      },
      {
        file: 'src/processes/assigner/offers.ts',
        from: "queue.offer(jobs, 'first').catch(",
        to: "return queue.offer(jobs, 'first').catch(",
      },
      { file: 'src/platform/redis.ts', from: 'COMMAND_TIMEOUT_MS = 2_000', to: 'COMMAND_TIMEOUT_MS = 600_000' },
    ],
    rules: ['deadline', 'L1'],
    troubles: ['Redis pauses'],
    seed: 2,
  },
  {
    title: 'gives up an attempt that no dispatcher took as if its agent had failed',
    changes: [
      {
        file: 'src/processes/assigner/carry-out-timer.ts',
        from: 'if (!isOver(timer, withdrawn, commands.clock.now())) return false;',
        to: '',
      },
    ],
    rules: ['blame'],
    troubles: ['Redis pauses'],
    seed: 2,
  },
  {
    title: 'gives up a call that must not be made twice like any other',
    changes: [
      {
        file: 'src/domain/task/decide-attempt.ts',
        from: 'return task.started ? loseOutcome(command, task) : fail(',
        to: 'return fail(',
      },
      {
        file: 'src/processes/assigner/carry-out-timer.ts',
        from: 'if (!isOver(timer, withdrawn, commands.clock.now())) return false;',
        to: '',
      },
    ],
    rules: ['at most once'],
    troubles: ['Redis pauses', 'slow agents', 'careful agents'],
    seed: 148,
  },
  {
    title: 'tells the time by the clock of whoever leads',
    changes: [
      {
        file: 'src/processes/leader.ts',
        from: 'now: () => lease.now()',
        to: 'now: () => this.#deps.clock.now()',
      },
    ],
    rules: ['patience'],
    troubles: ['clock steps'],
    seed: 42,
  },
  {
    title: 'offers what it has decided and not yet recorded',
    changes: [
      {
        file: 'src/processes/assigner/assigner.ts',
        from: '    if (decided.length === 0) return;\n',
        to: '    if (decided.length === 0) return;\n    this.#ledger.recorded(assignments);\n    this.#offers.offer(assignments);\n',
      },
    ],
    rules: ['early call', 'S6'],
    troubles: [],
    seed: 3,
  },
];
