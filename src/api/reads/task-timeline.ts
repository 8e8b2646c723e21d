import { changeOfAssignment, changeOfTask, type TaskChange } from '../live/task-changes.ts';
import type { Reads } from './reads.ts';

/** What happened to a task, in the order of the log: its own events, and the pool's decisions about it. */
export const taskTimeline = async (reads: Reads, taskId: string): Promise<TaskChange[]> => {
  const [events, assignments] = await Promise.all([reads.taskEvents.load(taskId), reads.assignments.load(taskId)]);
  return [
    ...events.flatMap((event) => changeOfTask(event) ?? []),
    ...assignments.map((assignment) => changeOfAssignment(assignment, assignment)),
  ].sort((a, b) => (a.position < b.position ? -1 : a.position > b.position ? 1 : 0));
};
