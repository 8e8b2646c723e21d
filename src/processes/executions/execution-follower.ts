import type { Commands } from '../../commands/context.ts';
import { executionEvents } from '../../domain/execution/events.ts';
import { executionStream } from '../../domain/ids.ts';
import { isKnownType } from '../../eventstore/codec.ts';
import type { Clock } from '../../platform/clock.ts';
import { type FoldDefinition, Leader, type LeaderDeps } from '../leader.ts';
import { carryOut } from './carry-out.ts';
import { type DueWork, WAIT_BOOK_VERSION, WaitBook } from './wait-book.ts';

/** Work that has not led to an event is tried again after this. */
const HOLD_MS = 5_000;

export type ExecutionFollowerDeps = LeaderDeps & { readonly commands: Commands };

const waitBookOf = (tenant: string): FoldDefinition<WaitBook> => {
  const prefix = executionStream(tenant, '');
  return {
    name: 'executions',
    version: WAIT_BOOK_VERSION,
    start: (snapshot) => new WaitBook(snapshot),
    wants: ({ type, stream }) => (type in executionEvents || !isKnownType(type)) && stream.startsWith(prefix),
  };
};

/**
 * Ends delays, enforces time limits, starts and joins sub-workflows. Two leaders at once do no harm: each command is refused or changes
 * nothing when it comes a second time.
 */
export const createExecutionFollower = (deps: ExecutionFollowerDeps): Leader<WaitBook> => {
  const { tenant, logger } = deps;
  const tryToCarryOut = async (commands: Commands, work: DueWork): Promise<void> => {
    try {
      await carryOut(commands, tenant, work);
    } catch (error) {
      logger.warn({ err: error, work: work.kind }, 'work for an execution failed; it will be tried again');
    }
  };
  const begin = (book: WaitBook, clock: Clock) => {
    const commands = { ...deps.commands, clock };
    return {
      act: (nowMs: number) => {
        for (const work of book.due(nowMs, HOLD_MS)) void tryToCarryOut(commands, work);
        return 'nothing' as const;
      },
    };
  };
  return new Leader({ fold: waitBookOf(tenant), begin }, deps);
};
