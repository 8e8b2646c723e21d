import { decisionRecorded, type PersonalDecision } from '../domain/execution/decided.ts';
import type { ExecutionEvent, ExecutionStreamEvent } from '../domain/execution/events.ts';
import type { Execution } from '../domain/execution/state.ts';
import { because, milliseconds, numberOf, words } from './sentences.ts';
import { summaryOfTaskEvent } from './task-events.ts';

type Data<Type extends ExecutionEvent['type']> = Extract<ExecutionEvent, { type: Type }>['data'];

const SKIPS = {
  condition: 'its condition is false',
  dependencies: 'everything it depends on was skipped',
  person: 'a person skipped it',
} as const satisfies Record<Data<'StepSkipped'>['reason'], string>;

/** One sentence per event of an execution, for people. */
const SUMMARIES: { readonly [Type in ExecutionEvent['type']]: (data: Data<Type>) => string } = {
  ExecutionStarted: ({ workflow, definition }) =>
    `started ${workflow.name}@${workflow.version}, ${numberOf(definition.tasks.length, 'step')}`,
  ExecutionPaused: ({ reason }) => `paused${because(reason)}`,
  ExecutionResumed: () => 'resumed',
  StepExpanded: ({ stepId, items }) => `${stepId} runs for ${numberOf(items.length, 'item')}`,
  StepWaiting: ({ stepId, kind, name, dueAt }) =>
    `${stepId} waits for ${kind === 'event' ? 'an' : 'a'} ${kind}${name === undefined ? '' : ` ${name}`}${dueAt === undefined ? '' : `, until ${dueAt}`}`,
  StepCompleted: ({ stepId }) => `${stepId} completed`,
  StepFailed: ({ stepId, error }) => `${stepId} failed: ${error.code}`,
  StepSkipped: ({ stepId, reason, comment }) => `${stepId} skipped, ${SKIPS[reason]}${because(comment)}`,
  ExecutionSignalled: ({ name }) => `event ${name} received from outside`,
  ExecutionAborting: ({ reason, unit, error }) =>
    `aborting, ${words(reason)}${unit === undefined ? '' : ` in ${unit}`}${because(error?.code)}`,
  ExecutionContinued: ({ rest }) =>
    rest ? 'more follows than one append takes: it is decided next' : 'all that followed is decided',
  CompensationStarted: ({ strategy, plan, owed = plan.length }) =>
    `compensating ${numberOf(owed, 'step')}, ${strategy}`,
  CompensationWaiting: ({ unit, childId }) => `${unit} is compensated with its sub-workflow ${childId}`,
  CompensationCompleted: ({ unit }) => `${unit} compensated with its sub-workflow`,
  CompensationParked: ({ unit, error }) => `${unit} could not be compensated: ${error.code}`,
  CompensationSkipped: ({ unit, reason }) => `compensation of ${unit} skipped: ${reason}`,
  CompensationHandedOver: ({ unit, to }) => `compensation of ${unit} handed over to ${to}`,
  ExecutionReopened: ({ steps }) =>
    `reopened to retry ${steps.slice(0, 10).join(', ')}${steps.length > 10 ? ', …' : ''}`,
  ExecutionMigrated: ({ from, workflow }) => `moved from ${from.name}@${from.version} to @${workflow.version}`,
  ExecutionCompleted: ({ durationMs }) => `completed after ${milliseconds(durationMs)}`,
  ExecutionFailed: ({ unit, error }) => `failed${unit === undefined ? '' : ` in ${unit}`}: ${error.code}`,
  ExecutionCancelled: ({ reason }) => `cancelled${because(reason)}`,
  ExecutionCompensated: ({ compensated, skipped }) =>
    `compensated: ${numberOf(compensated, 'step')}${skipped === 0 ? '' : `, ${skipped} skipped by people`}`,
  ExecutionCompensationFailed: ({ parked }) => `${numberOf(parked.length, 'step')} could not be compensated`,
};

const isExecutionEvent = (event: ExecutionStreamEvent): event is ExecutionEvent => Object.hasOwn(SUMMARIES, event.type);

/** `approved by ada (within the budget)`. */
export const decisionText = ({ option, by, comment }: PersonalDecision): string =>
  `${option} by ${by}${comment === undefined ? '' : ` (${comment})`}`;

/**
 * Of an event of an execution's stream: its own, or one of the lifecycle of a task that it runs. Where the execution is known, it also
 * tells what a person decided.
 */
export const summaryOfExecutionEvent = (event: ExecutionStreamEvent, execution?: Execution): string => {
  const decision =
    event.type === 'StepCompleted' && execution !== undefined && execution.status !== 'none'
      ? decisionRecorded(execution, event.data)
      : undefined;
  if (decision && event.type === 'StepCompleted') return `${event.data.stepId} decided: ${decisionText(decision)}`;
  return isExecutionEvent(event)
    ? (SUMMARIES[event.type] as (data: ExecutionEvent['data']) => string)(event.data)
    : summaryOfTaskEvent(event);
};
