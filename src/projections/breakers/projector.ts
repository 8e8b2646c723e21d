import { plusMs } from '../../domain/instant.ts';
import { OPEN_MS } from '../../domain/resilience/circuit.ts';
import { pauseMs } from '../../domain/resilience/pause.ts';
import { instant } from '../instant.ts';
import type { Projector } from '../projector.ts';
import { pausesTable } from './pauses.ts';
import { breakersTable } from './table.ts';

export const breakersProjector = {
  name: 'breakers',
  version: 2,
  tables: [breakersTable, pausesTable],
  on: {
    TaskAttemptFailed: ({ tenant, position, data }, fold) => {
      const { agentId, failedAt, retryAfterMs } = data;
      if (agentId === undefined || retryAfterMs === undefined) return;
      fold.put(pausesTable, {
        tenant,
        agentId,
        askedAt: instant(failedAt),
        endsAt: instant(plusMs(failedAt, pauseMs(retryAfterMs))),
        position,
      });
    },
    BreakersChanged: ({ tenant, position, data }, fold) => {
      const changedAt = instant(data.changedAt);
      for (const { agentId, capability, to, cause, failures, calls } of data.changes)
        fold.put(breakersTable, {
          tenant,
          agentId,
          capability,
          pool: data.pool,
          state: to,
          cause,
          failures,
          calls,
          changedAt,
          nextTryAt: to === 'open' ? instant(plusMs(data.changedAt, OPEN_MS)) : null,
          position,
        });
    },
  },
} as const satisfies Projector;
