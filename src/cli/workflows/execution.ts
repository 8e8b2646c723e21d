import type { Client } from '../client.ts';
import { type Failure, refused } from '../failure.ts';
import { duration, oneLine } from '../format.ts';

export type ErrorFacts = { readonly code: string; readonly message: string; readonly source: string };

export type StepRow = {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly level: number;
  readonly attempts: number;
  readonly agentId: string | null;
  readonly taskId: string | null;
  readonly items: { readonly total: number; readonly completed: number; readonly failed: number } | null;
  readonly error: ErrorFacts | null;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly reused: boolean;
  readonly childExecutionId: string | null;
  readonly undo: string | null;
};

export const ERROR = 'error { code message source retryable }';
export const STEP = `id kind state level attempts agentId taskId items { total open completed failed } ${ERROR}
  startedAt endedAt reused childExecutionId undo`;

export type ExecutionRow = {
  readonly id: string;
  readonly workflow: string;
  readonly version: string;
  readonly status: string;
  readonly startedAt: string;
  readonly endedAt: string | null;
  readonly stepsTotal: number;
  readonly stepsCompleted: number;
  readonly stepsFailed: number;
  readonly stepsSkipped: number;
  readonly debtsParked: number;
  readonly tags: readonly string[];
  readonly error: ErrorFacts | null;
};

export const EXECUTION_ROW = `id workflow version status startedAt endedAt stepsTotal stepsCompleted stepsFailed stepsSkipped
  debtsOpen debtsParked tags ${ERROR}`;

export const noExecution = (id: string): Failure =>
  refused(
    'NOT_FOUND',
    `execution ${JSON.stringify(id)} does not exist`,
    'one that was started a moment ago is found with --at-least and the position that `start --json` gave',
  );

/** One execution with the selected fields. Errors: `Failure` NOT_FOUND. */
export const readExecution = async <Execution>(
  client: Client,
  id: string,
  selection: string,
  atLeast?: string,
): Promise<Execution> => {
  const document = `query ($id: ID!, $atLeast: Position) { execution(id: $id, atLeast: $atLeast) { ${selection} } }`;
  const { execution } = await client.execute<{ execution: Execution | null }>(document, { id, atLeast });
  if (execution === null) throw noExecution(id);
  return execution;
};

export const errorText = ({ code, message }: ErrorFacts): string => `${code}: ${oneLine(message, 300)}`;

export const tookText = (startedAt: string | null, endedAt: string | null): string =>
  startedAt === null || endedAt === null ? '' : duration(Math.max(0, Date.parse(endedAt) - Date.parse(startedAt)));
