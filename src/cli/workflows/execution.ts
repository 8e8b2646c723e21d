import type { ErrorFactsFragment } from 'baton-client';
import { type Failure, refused } from '../failure.ts';
import { duration, oneLine } from '../format.ts';

export const noExecution = (id: string): Failure =>
  refused(
    'NOT_FOUND',
    `execution ${JSON.stringify(id)} does not exist`,
    'if it was started a moment ago, pass the position from `start --json` as --at-least',
  );

type Found<Subject> = { readonly execution: Subject | null };

/** The execution of an answer. Errors: `Failure` NOT_FOUND. */
export const foundExecution = <Execution>(id: string, { execution }: Found<Execution>): Execution => {
  if (execution === null) throw noExecution(id);
  return execution;
};

export const errorText = ({ code, message }: ErrorFactsFragment): string => `${code}: ${oneLine(message, 300)}`;

export const tookText = (startedAt: string | null, endedAt: string | null): string =>
  startedAt === null || endedAt === null ? '' : duration(Math.max(0, Date.parse(endedAt) - Date.parse(startedAt)));
