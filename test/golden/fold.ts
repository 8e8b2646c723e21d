import { readdirSync, readFileSync } from 'node:fs';
import { agentDecider } from '../../src/domain/agent/decider.ts';
import type { AgentEvent } from '../../src/domain/agent/events.ts';
import { type DomainEvent, domainEvents } from '../../src/domain/events.ts';
import { executionDecider } from '../../src/domain/execution/decider.ts';
import type { ExecutionStreamEvent } from '../../src/domain/execution/events.ts';
import { poolEvents } from '../../src/domain/pool/events.ts';
import { PoolLedger } from '../../src/domain/pool/ledger.ts';
import { rulesDecider } from '../../src/domain/rules/decider.ts';
import type { RuleEvent } from '../../src/domain/rules/events.ts';
import { taskDecider } from '../../src/domain/task/decider.ts';
import type { TaskEvent } from '../../src/domain/task/events.ts';
import { workflowDecider } from '../../src/domain/workflow/decider.ts';
import type { WorkflowEvent } from '../../src/domain/workflow/events.ts';
import { decodeEvent } from '../../src/eventstore/codec.ts';
import type { StoredEvent } from '../../src/eventstore/event-store.ts';

const SAMPLES = new URL('./events/', import.meta.url);
const STATES = new URL('./states/', import.meta.url);

export const sampleFiles = (): string[] => readdirSync(SAMPLES).sort();
export const stateFiles = (): string[] => readdirSync(STATES).sort();
export const stateUrl = (file: string): URL => new URL(file, STATES);

export const readSample = (file: string): StoredEvent => {
  const { revision, position, ...rest } = JSON.parse(readFileSync(new URL(file, SAMPLES), 'utf8'));
  return { ...rest, revision: BigInt(revision), position: BigInt(position) };
};

/** Samples that come first, so that a sample finds something that it can change. Those not named here follow the founding event alone. */
const BEFORE: Readonly<Record<string, readonly string[]>> = {
  AgentHealthChanged: ['AgentDrainStarted'],
  AgentMaintenanceEnded: ['AgentMaintenanceStarted'],
  AgentDrainEnded: ['AgentDrainStarted'],
  TaskRedriven: ['TaskAttemptFailed', 'TaskDeadLettered'],
  TaskCompleted: ['TaskAttemptFailed'],
  TaskDeadLettered: ['TaskProgressReported'],
  WorkflowArchived: ['WorkflowDeprecated'],
  ExecutionResumed: ['ExecutionPaused'],
  StepCompleted: ['ExecutionSignalled'],
  StepFailed: ['StepExpanded'],
  ExecutionAborting: ['StepWaiting'],
  CompensationStarted: ['ExecutionAborting'],
  CompensationWaiting: ['ExecutionAborting', 'CompensationStarted'],
  CompensationCompleted: ['ExecutionAborting', 'CompensationStarted'],
  CompensationParked: ['ExecutionAborting', 'CompensationStarted'],
  CompensationSkipped: ['ExecutionAborting', 'CompensationStarted', 'CompensationParked'],
  CompensationHandedOver: ['ExecutionAborting', 'CompensationStarted', 'CompensationParked'],
  ExecutionCompensated: ['ExecutionAborting', 'CompensationStarted'],
  ExecutionCompensationFailed: ['ExecutionAborting', 'CompensationStarted', 'CompensationParked'],
  ExecutionReopened: ['StepExpanded', 'StepFailed', 'ExecutionFailed'],
  ExecutionMigrated: ['StepExpanded'],
  TasksAssigned: ['TaskSubmitted'],
  PoolResumed: ['PoolPaused'],
  RoutingRuleEnabled: ['RoutingRuleDisabled'],
};

const newestSample = (type: string): string =>
  `${type}.v${domainEvents[type as keyof typeof domainEvents].schemaVersion}.json`;

const decoded = (file: string): DomainEvent => decodeEvent(readSample(file)) as DomainEvent;

/** The events up to this sample, upcast, in an aggregate that `founding` begins. */
const storyOf = (file: string, founding: string): DomainEvent[] => {
  const sample = decoded(file);
  if (sample.type === founding) return [sample];
  return [...[founding, ...(BEFORE[sample.type] ?? [])].map((type) => decoded(newestSample(type))), sample];
};

/** The task of a sample as one that an execution runs for its step `publish`. */
const inExecution = (event: DomainEvent): DomainEvent => {
  if (event.type !== 'TaskSubmitted') return event;
  const { executionId } = decoded(newestSample('ExecutionStarted')).data as { executionId: string };
  return { ...event, data: { ...event.data, executionId, unit: 'publish' } };
};

/** Without what is compiled from the definition and the estimate of its size. Maps and vectors become JSON. */
const asJson = (state: unknown): unknown =>
  JSON.parse(
    JSON.stringify(state, (key, value: unknown) => {
      if (key === 'compiled' || key === 'bytes') return undefined;
      if (value instanceof Map) return Object.fromEntries(value);
      return value !== null && typeof value === 'object' && !Array.isArray(value) && Symbol.iterator in value
        ? [...(value as Iterable<unknown>)]
        : value;
    }),
  );

const ledgerAfter = (events: readonly DomainEvent[]): unknown => {
  const ledger = new PoolLedger('default');
  for (const event of events) ledger.evolve(event as never);
  const tasks = ledger.takeParts('all').flatMap(({ items }) => items);
  return { ...ledger.snapshot(), tasks };
};

const executionAfter = (events: readonly DomainEvent[]): unknown =>
  (events as ExecutionStreamEvent[]).reduce(executionDecider.evolve, executionDecider.initialState());

const statesOf = (file: string): Record<string, unknown> => {
  const { type } = readSample(file);
  if (type === 'ClusterCreated') return { cluster: decoded(file).data };
  if (type.startsWith('Pool') || Object.hasOwn(poolEvents, type))
    return { pool: ledgerAfter(storyOf(file, 'AgentRegistered')) };
  if (type.startsWith('RoutingRule'))
    return {
      rules: (storyOf(file, 'RoutingRuleSet') as RuleEvent[]).reduce(rulesDecider.evolve, rulesDecider.initialState()),
    };
  if (type.startsWith('Agent'))
    return {
      agent: (storyOf(file, 'AgentRegistered') as AgentEvent[]).reduce(
        agentDecider.evolve,
        agentDecider.initialState(),
      ),
    };
  if (type.startsWith('Workflow'))
    return {
      workflow: (storyOf(file, 'WorkflowPublished') as WorkflowEvent[]).reduce(
        workflowDecider.evolve,
        workflowDecider.initialState(),
      ),
    };
  if (!type.startsWith('Task')) return { execution: executionAfter(storyOf(file, 'ExecutionStarted')) };
  const story = storyOf(file, 'TaskSubmitted');
  return {
    task: (story as TaskEvent[]).reduce(taskDecider.evolve, taskDecider.initialState()),
    execution: executionAfter([decoded(newestSample('ExecutionStarted')), ...story.map(inExecution)]),
  };
};

/** The state of each aggregate that a sample's event is folded into. */
export const foldedState = (file: string): unknown => asJson(statesOf(file));
