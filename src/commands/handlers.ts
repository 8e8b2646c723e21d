import { poolControlDecider } from '../domain/admission/pool-control.ts';
import { agentDecider } from '../domain/agent/decider.ts';
import { executionDecider } from '../domain/execution/decider.ts';
import { isFinal } from '../domain/execution/state.ts';
import { rulesDecider } from '../domain/rules/decider.ts';
import { taskDecider } from '../domain/task/decider.ts';
import { workflowDecider } from '../domain/workflow/decider.ts';
import type { EventStore } from '../eventstore/event-store.ts';
import { AggregateHandler, type HandlerPorts } from './aggregate-handler.ts';
import type { Commands } from './context.ts';

/** One handler per kind of aggregate, as one process has them. */
export const createHandlers = (
  store: EventStore,
  ports: HandlerPorts,
): Pick<Commands, 'tasks' | 'agents' | 'workflows' | 'executions' | 'poolControls' | 'rules'> => ({
  tasks: new AggregateHandler(store, taskDecider, ports, (task) => task.status === 'completed'),
  agents: new AggregateHandler(store, agentDecider, ports),
  poolControls: new AggregateHandler(store, poolControlDecider, ports),
  rules: new AggregateHandler(store, rulesDecider, ports),
  workflows: new AggregateHandler(store, workflowDecider, ports),
  executions: new AggregateHandler(store, executionDecider, ports, isFinal, (execution) =>
    execution.status === 'none' ? 1 : Math.ceil(execution.bytes),
  ),
});
