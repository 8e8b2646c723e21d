import { type Caller, type Commands, parseInput } from './commands/context.ts';
import { startExecution } from './commands/execution/start-execution.ts';
import { submitTask } from './commands/task/submit-task.ts';
import { publishWorkflow } from './commands/workflow/publish-workflow.ts';
import type { LocalAgentFunction } from './dispatch/transports/local.ts';
import { RegisterAgentInput } from './domain/agent/commands.ts';
import { DEFAULT_TENANT } from './domain/ids.ts';
import type { Json } from './domain/json.ts';
import type { Result } from './domain/result.ts';
import type { EmbeddedStack } from './embedded/stack.ts';
import type { LogFeed } from './eventstore/log-feed.ts';
import { type Running, start } from './main.ts';
import { type Config, readConfig } from './platform/config.ts';
import { AppError } from './platform/errors.ts';
import { createLogger, type Logger } from './platform/logger.ts';
import type { ExecutionOutcomes } from './processes/outcomes/execution-outcomes.ts';
import type { TaskOutcomes } from './processes/outcomes/task-outcomes.ts';

export { type Config, readConfig } from './platform/config.ts';
export { AppError } from './platform/errors.ts';
export { TaskFailed, type TaskOutcome } from './processes/outcomes/task-outcomes.ts';

/** A running Baton, for the server command and for programs that embed it. */
export type Baton = {
  /** Base of the HTTP endpoints; undefined without the role `api`. */
  readonly url: string | undefined;
  readonly urls: Pick<EmbeddedStack, 'eventStoreUrl' | 'databaseUrl' | 'redisUrl'>;
  /** Embedded servers that were started. */
  readonly processes: EmbeddedStack['processes'];
  readonly commands: Commands;
  readonly feed: LogFeed;
  /**
   * Offers a function of this process as an agent, with `maxConcurrency` places for calls at once. The agent is registered for as long as
   * some process offers it, with the places of all that do. Needs the role `dispatcher`.
   */
  agent(input: object & { readonly agentId: string }, run: LocalAgentFunction): Promise<void>;
  /** Errors: throws `AppError` for input that is refused. */
  submit(input: object, caller?: Partial<Caller>): Promise<{ readonly taskId: string }>;
  /**
   * Submits a task and resolves with its result.
   *
   * Errors: throws `AppError` for input that is refused, `TaskFailed` for a task that ended without a result.
   */
  run(input: object, caller?: Partial<Caller>): Promise<Json>;
  /** Resolves when the task has ended. */
  readonly outcomes: TaskOutcomes;
  /** Publishes a version of a workflow. Errors: throws `AppError` for a definition that is refused. */
  publish(definition: object): Promise<{ readonly name: string; readonly version: string }>;
  /** Starts an execution. Errors: throws `AppError` for input that is refused. */
  start(input: object, caller?: Partial<Caller>): Promise<{ readonly executionId: string }>;
  /** Resolves when the execution has ended, or waits for a person. */
  readonly executions: ExecutionOutcomes;
  /** Counters of what this process did, by role. */
  counters(): Record<string, Record<string, number>>;
  /** Finishes or hands back open work, then closes everything, in order. */
  stop(): Promise<void>;
};

export type BatonOptions = {
  readonly logger?: Logger;
  /** Whose agents, tasks and workflows this process works on. */
  readonly tenant?: string;
};

const accepted = <Value>(result: Result<Value, { readonly reason: string }>): Value => {
  if (!result.ok) throw new AppError('REJECTED', result.rejection.reason, { details: result.rejection });
  return result.value;
};

const faceOf = (running: Running): Baton => {
  const { core, url, localAgents, functionAgents, outcomes, executions } = running;
  const { stack, commands, feed, tenant } = core;
  const embedded: Caller = { tenant, actor: 'embedded' };
  const submit: Baton['submit'] = async (input, caller = {}) => ({
    taskId: accepted(await submitTask(commands, { ...embedded, ...caller }, input)).id,
  });
  return {
    url,
    urls: stack,
    get processes() {
      return stack.processes;
    },
    commands,
    feed,
    outcomes,
    executions,
    async publish(definition) {
      const { name, version } = accepted(await publishWorkflow(commands, embedded, definition));
      return { name, version };
    },
    async start(input, caller = {}) {
      return { executionId: accepted(await startExecution(commands, { ...embedded, ...caller }, input)).id };
    },
    async agent(input, run) {
      const body = parseInput(RegisterAgentInput, { replace: true, ...input });
      localAgents.register({ tenant, agentId: body.agentId }, run, body.maxConcurrency);
      await functionAgents.offer(body);
    },
    submit,
    async run(input, caller = {}) {
      const { taskId } = await submit(input, caller);
      return outcomes.result(caller.tenant ?? tenant, taskId);
    },
    counters: () => running.counters(),
    stop: () => running.stop(),
  };
};

/**
 * Starts the roles of the configuration in this process, and the embedded default of each store that has no URL.
 *
 * Errors: throws `AppError` (also `ConfigError`) with what to do; whatever was started is stopped again.
 */
export const startBaton = async (
  config: Config = readConfig(),
  { logger = createLogger(config.logLevel, config.logFormat), tenant = DEFAULT_TENANT }: BatonOptions = {},
): Promise<Baton> => faceOf(await start({ tenant, config, logger }));
