import type { ErrorFactsFragment } from 'baton-client';
import { type Failure, refused } from '../failure.ts';
import { duration, oneLine } from '../format.ts';

export const noExecution = (id: string): Failure =>
  refused(
    'NOT_FOUND',
    `execution ${JSON.stringify(id)} does not exist`,
    'one that was started a moment ago is found with --at-least and the position that `start --json` gave',
  );

type Found<Subject> = { readonly execution: Subject | null };

/** The execution that was asked for. Errors: `Failure` NOT_FOUND. */
export const foundExecution = <Execution>(id: string, { execution }: Found<Execution>): Execution => {
  if (execution === null) throw noExecution(id);
  return execution;
};

export const errorText = ({ code, message }: ErrorFactsFragment): string => `${code}: ${oneLine(message, 300)}`;

export const tookText = (startedAt: string | null, endedAt: string | null): string =>
  startedAt === null || endedAt === null ? '' : duration(Math.max(0, Date.parse(endedAt) - Date.parse(startedAt)));
