import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DomainEvent } from '../../src/domain/events.ts';
import { getTask, getTaskPayloads } from '../../src/projections/tasks/queries.ts';
import { getTaskAttempts } from '../../src/projections/task-attempts/queries.ts';
import { at, ERROR, event, newTaskId, TENANT, World } from './projections-support.ts';

let world: World;
beforeEach(async () => {
  world = await World.create();
});
afterEach(() => world.close());

const task = newTaskId();
const after = async (...events: DomainEvent[]) => {
  await world.append(...events);
  await world.project();
  return (await getTask(world.pool, TENANT, task)).value;
};
const attempts = async () => (await getTaskAttempts(world.pool, TENANT, [task])).value;

describe('a submitted task', () => {
  it('is ready for its first attempt', async () => {
    expect(await after(event.submitted(task, { tags: ['a', 'b'], deadlineAt: at(600) }))).toMatchObject({
      status: 'ready', attempt: 1, tags: ['a', 'b'], deadlineAt: at(600), submittedAt: at(0), agentId: null, position: 16n, updatedPosition: 16n,
    });
  });
  it('is assigned', async () => {
    expect(await after(event.submitted(task), event.assigned([{ taskId: task }]))).toMatchObject({
      status: 'assigned', agentId: 'agent-1', assignedAt: at(1), expiresAt: at(61), assignedPosition: 32n,
    });
    expect(await attempts()).toMatchObject([{ attempt: 1, outcome: 'open', agentId: 'agent-1' }]);
    void ERROR; void getTaskPayloads; void afterAll;
  });
});
