import type { CompensationPreview } from '../domain/execution/compensation-preview.ts';
import type { Progress } from '../domain/execution/steps.ts';
import { compensatedBy } from '../domain/execution/unit.ts';
import type { NotRunning } from '../domain/execution/why-not-running.ts';
import { instantOf } from '../domain/instant.ts';
import type { Waiting } from '../domain/routing/why-waiting.ts';
import { named, numberOf, words } from './sentences.ts';

/** `2 of 5: calculate`. */
export const progressText = (progress: Progress): string =>
  progress.kind === 'level'
    ? `${progress.level} of ${progress.levels}: ${named(progress.steps)}`
    : `compensating: ${progress.closed} of ${progress.total} done`;

const deadline = (what: string, dueMs: number | undefined): string =>
  dueMs === undefined ? '' : `, ${what} ${instantOf(dueMs)}`;

type Of<Reason extends NotRunning['reason']> = Extract<NotRunning, { readonly reason: Reason }>;

const NOT_RUNNING: { readonly [Reason in NotRunning['reason']]: (entry: Of<Reason>) => string } = {
  ended: ({ status }) => `the execution is ${status}`,
  aborting: ({ abort }) =>
    `no more steps start: ${words(abort.reason)}${abort.unit === undefined ? '' : ` in ${abort.unit}`}`,
  dependency: ({ dependencies }) => `waits for ${named(dependencies)}`,
  paused: () => 'the execution is paused',
  window: ({ openTasks, maxParallel }) =>
    `${numberOf(openTasks, 'task')} ${openTasks === 1 ? 'is' : 'are'} open${maxParallel === undefined ? '' : `, and coordination.maxParallel is ${maxParallel}`}`,
  delay: ({ dueMs }) => `waits${deadline('until', dueMs)}`,
  event: ({ name, dueMs }) => `waits for the event ${name} from outside${deadline('given up at', dueMs)}`,
  decision: ({ name, dueMs }) => `waits for a person's decision ${name}${deadline('given up at', dueMs)}`,
  workflow: ({ childId }) => `waits for its sub-workflow, execution ${childId}`,
  agent: () => 'offered to its pool a moment ago; the read model does not show it yet',
  undo_order: ({ dependencies }) => `waits for the compensation of ${named(dependencies.map(compensatedBy))}`,
  parked: ({ handedOverTo, errorCode }) =>
    handedOverTo === undefined
      ? `parked: ${errorCode ?? 'it could not be compensated'}`
      : `handed over to ${handedOverTo}`,
};

/** Why a step or a compensation does not run, as far as its execution's stream shows. */
export const notRunningText = (entry: NotRunning): string =>
  (NOT_RUNNING[entry.reason] as (entry: NotRunning) => string)(entry);

const UNBLOCKS: { readonly [Reason in NotRunning['reason']]: (entry: Of<Reason>) => string } = {
  ended: ({ status }) =>
    status === 'failed' ? 'retry the execution' : 'nothing: the execution has ended; fork it to run the step',
  aborting: ({ dependencies }) =>
    `nothing: the execution ends early${dependencies.length === 0 ? '' : `, once ${named(dependencies)} has ended`}`,
  dependency: ({ dependencies }) => `let ${named(dependencies)} end`,
  paused: () => 'resume the execution',
  window: ({ maxParallel }) =>
    maxParallel === undefined ? 'let a task of it end' : 'let a task of it end, or raise coordination.maxParallel',
  delay: ({ dueMs }) => `nothing: the time comes${dueMs === undefined ? '' : ` at ${instantOf(dueMs)}`}`,
  event: ({ name }) => `send the event ${name}`,
  decision: ({ name }) => `decide ${name}`,
  workflow: ({ childId }) => `let execution ${childId} end`,
  agent: () => 'nothing: ask again in a moment',
  undo_order: ({ dependencies }) => `let the compensation of ${named(dependencies.map(compensatedBy))} end`,
  parked: ({ handedOverTo }) =>
    handedOverTo === undefined ? 'retry the compensation, or close it by hand' : `let ${handedOverTo} close it`,
};

/** The least that would have to change for it to run. */
export const unblockText = (entry: NotRunning): string =>
  (UNBLOCKS[entry.reason] as (entry: NotRunning) => string)(entry);

/** What would be compensated if the execution were aborted now. */
export const previewText = ({ verdict, undos, mayBeOwed }: CompensationPreview): string => {
  switch (verdict) {
    case 'begun':
      return 'compensation has begun: see compensationDebts';
    case 'pivot_passed':
      return 'nothing: a pivot has completed, there is no way back';
    case 'pivot_in_doubt':
      return 'nothing: it is unknown whether the pivot took effect, so there is no way back';
    case 'possible': {
      const planned = undos.length === 0 ? 'nothing to compensate so far' : `${undos.length} to be compensated`;
      return mayBeOwed.length === 0
        ? planned
        : `${planned}; ${named(mayBeOwed)} may need compensation too, which is known once they end`;
    }
  }
};

/** Why a task waits for an agent; where agents differ, with the number that each obstacle keeps from it. */
export const waitingForAgentText = ({ reason, message, able, ...numbers }: Waiting): string => {
  if (!reason.startsWith('agents_')) return message;
  const { draining, maintenance, warming, unhealthy, paused, breaker, busy, free } = numbers;
  const counts = Object.entries({
    draining,
    'under maintenance': maintenance,
    warming,
    unhealthy,
    paused,
    'with an open breaker': breaker,
    busy,
    free,
  }).filter(([, agents]) => agents > 0);
  if (counts.length === 1) return `${message} (${numberOf(able, 'agent')})`;
  return `${message} (${numberOf(able, 'agent')}: ${counts.map(([what, agents]) => `${agents} ${what}`).join(', ')})`;
};
