import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { steps, type TaskModel, World } from '../../../test/support/ledger-world.ts';
import { OBSTACLES } from '../routing/obstacles.ts';
import type { WaitingReason } from '../routing/waiting-reasons.ts';
import { explainWaiting, type Waiting } from '../routing/why-waiting.ts';
import type { Place } from './ready-queue.ts';

/** Explaining every task after every step would take most of the time. */
const EXPLAIN_EVERY = 10;

/** Decided and not void, although not appended. */
const decidedIn = (world: World) =>
  world.inFlight.filter(({ taskId, attempt }) => {
    const task = world.tasks.get(taskId);
    return task?.status === 'open' && task.attempt === attempt;
  });

const waitingIn = (world: World): TaskModel[] => {
  const decided = new Set(decidedIn(world).map(({ taskId }) => taskId));
  return [...world.tasks.values()].filter(
    ({ status, holder, facts }) => status === 'open' && holder === undefined && !decided.has(facts.taskId),
  );
};

/** By the ledger's agents, and what its streams say of the task. */
const explain = (world: World, task: TaskModel): Waiting => {
  const { facts, attempt, readyMs, deadlineMs } = task;
  const { capability, versionRange, executionId, submittedAt, pool } = facts;
  const state = world.isAborted(task) ? 'aborting' : world.isPaused(task) ? 'paused' : undefined;
  return explainWaiting(
    {
      capability,
      versionRange,
      pool,
      poolIsLed: true,
      attempt,
      submittedAt,
      retryAt: attempt === 1 ? undefined : new Date(readyMs).toISOString(),
      deadlineAt: deadlineMs === undefined ? undefined : new Date(deadlineMs).toISOString(),
      pausedPool: world.poolPaused ? { since: submittedAt } : undefined,
      ...(task.blocked ? { dependencies: [{ taskId: 'other', status: 'ready' }] } : {}),
      execution: executionId !== undefined && state ? { executionId, state } : undefined,
    },
    world.live.snapshot().agents.filter(({ deregistered }) => !deregistered),
    world.nowMs,
  );
};

const openOf = (world: World, agentId: string): number =>
  world.heldBy(agentId) + decidedIn(world).filter((assignment) => assignment.agentId === agentId).length;

/** The same from the model alone. */
const expected = (world: World, task: TaskModel): WaitingReason => {
  if (task.blocked) return 'dependency';
  if (world.isAborted(task)) return 'execution_aborting';
  if (world.isPaused(task)) return 'execution_paused';
  if (task.deadlineMs !== undefined && task.deadlineMs <= world.nowMs) return 'deadline_passed';
  if (task.readyMs > world.nowMs) return 'retry_delay';
  if (world.poolPaused) return 'pool_paused';
  const able = [...world.agents].filter(
    ([, { capabilities, status }]) => status !== 'gone' && capabilities.includes(task.facts.capability),
  );
  if (able.length === 0) return 'no_agent_with_capability';
  const active = able.filter(([, { status }]) => status === 'active');
  if (active.length === 0) return 'agents_draining';
  const healthy = active.filter(([, agent]) => agent.healthy);
  if (healthy.length === 0) return 'agents_unhealthy';
  return healthy.some(([agentId, { max }]) => openOf(world, agentId) < max) ? 'next_in_turn' : 'agents_busy';
};

/** Where the ledger may have a task for each reason; in the queue for all others. A deadline is only looked at when it would be assigned. */
const PLACES: Readonly<Partial<Record<WaitingReason, readonly Place[]>>> = {
  dependency: ['dependency'],
  execution_aborting: ['aborting'],
  execution_paused: ['paused'],
  deadline_passed: ['deadline', 'ready', 'delayed'],
  retry_delay: ['delayed'],
};

const agentIn = ({ unblock }: Waiting): number => ['a', 'b', 'c'].indexOf(/agent (\w)/.exec(unblock)?.[1] ?? '');

/** Does what the explanation says would unblock the task. */
const remove = (world: World, task: TaskModel, why: Waiting): void => {
  world.take({ kind: 'append' });
  const execution = Number(task.facts.executionId?.slice(1));
  const agent = agentIn(why);
  const cancel = (): void => {
    const open = [...world.tasks.values()].filter(({ status }) => status !== 'over');
    world.take({ kind: 'cancel', pick: open.indexOf(task) });
  };
  const free = (): void => {
    const held = [...world.tasks.values()].filter(({ holder }) => holder !== undefined);
    const pick = held.findIndex(({ holder }) => holder === ['a', 'b', 'c'][agent]);
    world.take({ kind: 'close', pick, how: 'complete', delayMs: 0 });
  };
  const remedies: Readonly<Partial<Record<WaitingReason, () => void>>> = {
    dependency: () => {
      const blocked = [...world.tasks.values()].filter(({ status, blocked }) => status === 'open' && blocked);
      world.take({ kind: 'unblock', pick: blocked.indexOf(task) });
    },
    execution_aborting: cancel,
    execution_paused: () => world.take({ kind: 'execution', execution, how: 'resume' }),
    deadline_passed: cancel,
    retry_delay: () => world.take({ kind: 'wait', ms: Date.parse(why.until ?? '') - world.nowMs }),
    pool_paused: () => world.take({ kind: 'pool', how: 'resume' }),
    no_agent_with_capability: () => world.take({ kind: 'register', agent: 0, max: 1, both: true }),
    agents_draining: () => world.take({ kind: 'undrain', agent }),
    agents_unhealthy: () => world.take({ kind: 'health', agent, to: 'healthy' }),
    // One that registered again with a lower limit may hold more than that.
    agents_busy: () => {
      const { agentId, max } = { agentId: ['a', 'b', 'c'][agent] as string, max: 3 };
      while (openOf(world, agentId) >= (world.agents.get(agentId)?.max ?? max)) free();
    },
    next_in_turn: () => world.take({ kind: 'decide', limit: 1_000 }),
  };
  const remedy = remedies[why.reason];
  if (!remedy) throw new Error(`nothing is known against ${why.reason}`);
  remedy();
};

const stillWaits = (world: World, task: TaskModel): boolean => waitingIn(world).includes(task);

describe('every waiting task at any position of the log', () => {
  it('has exactly one reason, the first in order that holds, and the ledger has it where that reason says', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(steps, (course) => {
        const world = new World();
        world.run(course, (step) => {
          const { waiting } = world.live;
          const tasks = waitingIn(world);
          expect([waiting.withoutReason, waiting.size]).toEqual([0, tasks.length]);
          for (const { facts } of tasks) expect(waiting.placeOf(facts.taskId)).toBeDefined();
          if (step % EXPLAIN_EVERY !== 0) return;
          world.live.wake(world.nowMs, Number.POSITIVE_INFINITY);
          for (const task of tasks) {
            const { reason, obstacle } = explain(world, task);
            expect(reason).toBe(expected(world, task));
            expect(OBSTACLES).toContain(obstacle);
            expect(PLACES[reason] ?? ['ready']).toContain(waiting.placeOf(task.facts.taskId));
            seen.add(reason);
          }
        });
      }),
      { numRuns: 60 },
    );
    expect([...seen].sort()).toEqual([
      'agents_busy',
      'agents_draining',
      'agents_unhealthy',
      'deadline_passed',
      'dependency',
      'execution_aborting',
      'execution_paused',
      'next_in_turn',
      'no_agent_with_capability',
      'pool_paused',
      'retry_delay',
    ]);
  });

  it('waits no more, or for something else, once that reason is gone', () =>
    fc.assert(
      fc.property(steps, fc.nat(20), (course, pick) => {
        const world = new World().run(course);
        const tasks = waitingIn(world);
        const task = tasks[pick % Math.max(1, tasks.length)];
        let before: WaitingReason | undefined;
        // Others may come first; with its reasons removed one after the other, the task gets an agent in the end, or ends.
        for (let left = 2 * tasks.length + 10; task && stillWaits(world, task); left -= 1) {
          const why = explain(world, task);
          expect(why.reason).not.toBe(before);
          expect(left).toBeGreaterThan(0);
          before = why.reason;
          remove(world, task, why);
        }
      }),
      { numRuns: 100 },
    ));
});
