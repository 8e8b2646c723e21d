import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DomainEvent } from '../../src/domain/events.ts';
import { createEsdbEventStore } from '../../src/eventstore/esdb-event-store.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { projectors } from '../../src/projections/registry.ts';
import { verifyProjection } from '../../src/projections/runner/verify.ts';
import { event, newTaskId, pause, quiet, World } from '../support/projections-support.ts';
import { RUN_WITH_BATON } from '../support/run-source.ts';
import { freshEventStore } from '../support/servers.ts';

const KILLS = Number(process.env['PROJECTION_KILLS'] ?? 4);

let node: Awaited<ReturnType<typeof freshEventStore>>;
let world: World;
const victims = new Set<ChildProcess>();
beforeEach(async () => {
  node = await freshEventStore();
  world = await World.create(createEsdbEventStore(node.connectionString, { clock: systemClock, logger: quiet }));
});
afterEach(async () => {
  for (const victim of victims) victim.kill('SIGKILL');
  await world.close();
  await node.stop();
});

const history = (count: number): DomainEvent[] =>
  Array.from({ length: count }, newTaskId).flatMap((id, index) => [
    event.submitted(id),
    event.assigned([{ taskId: id }]),
    ...(index % 2 === 0 ? [event.failed(id)] : [event.completed(id)]),
  ]);

const startVictim = async (): Promise<ChildProcess> => {
  const victim = fork(new URL('../support/projections-victim.ts', import.meta.url), {
    execArgv: [...RUN_WITH_BATON],
    env: { ...process.env, DATABASE: world.url, EVENTSTORE: node.connectionString },
  });
  victims.add(victim);
  victim.once('exit', () => victims.delete(victim));
  await once(victim, 'message');
  return victim;
};

const positions = async (): Promise<bigint[]> =>
  (await world.pool.query<{ position: bigint }>('SELECT position FROM baton.checkpoints')).rows.map(
    ({ position }) => position,
  );

const verifyAll = async (): Promise<void> => {
  const context = { ...(await world.runnerOptions()), store: world.store };
  for (const { name } of projectors) {
    const { tables } = await verifyProjection(context, name);
    expect(tables.filter(({ equal }) => !equal)).toEqual([]);
  }
};

describe('a process that runs the projections', () => {
  it('may be killed at any moment: the rows are the fold of the log up to the checkpoint', {
    timeout: 60_000 + KILLS * 10_000,
  }, async () => {
    let before = await positions();
    for (let round = 0; round < KILLS; round += 1) {
      const [victim] = await Promise.all([startVictim(), world.append(...history(60))]);
      await pause((round * 84) / KILLS); // at another moment of its work in each round
      victim.kill('SIGKILL');
      await once(victim, 'exit');
      const after = await positions();
      expect(after.every((position, index) => position >= before[index]!)).toBe(true);
      before = after;
      await verifyAll();
    }
    await world.project();
    await verifyAll();
  });

  it('may be suspended past its lease: its late writes are refused', {
    timeout: 120_000,
  }, async () => {
    const sleeper = await startVictim();
    for (let round = 0; round < 3; round += 1) {
      const appending = world.append(...history(80));
      await pause(20 + round * 10);
      sleeper.kill('SIGSTOP');
      await appending;
      const other = await startVictim(); // leads once the lease has expired
      await world.append(...history(20));
      await world.handled();
      sleeper.kill('SIGCONT');
      await world.append(...history(20));
      await world.handled();
      await verifyAll();
      other.kill('SIGKILL');
      await once(other, 'exit');
    }
    await world.handled();
    await verifyAll();
  });
});
