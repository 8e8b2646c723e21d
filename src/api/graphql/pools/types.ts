import { instantOf } from '../../../domain/instant.ts';
import type { CapabilityBacklog, PoolView } from '../../../processes/admission/pool-overview.ts';
import type { Builder } from '../kit/builder.ts';
import { AT_LEAST } from '../kit/connection.ts';

const addBacklogType = (builder: Builder) =>
  builder.objectRef<CapabilityBacklog>('CapabilityBacklog').implement({
    description: 'Open tasks of one capability in a pool.',
    fields: (t) => ({
      capability: t.exposeString('capability'),
      waiting: t.exposeInt('waiting', { description: 'Those that no agent holds.' }),
      running: t.exposeInt('running', { description: 'Those that an agent holds.' }),
      oldestSince: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'Since when the one that waits longest does.',
        resolve: ({ oldestSinceMs }) => (oldestSinceMs === undefined ? null : instantOf(oldestSinceMs)),
      }),
      arrivedPerSecond: t.exposeFloat('arrivedPerSecond', {
        description: 'Tasks submitted, over the last minute, as far as this process has seen it.',
      }),
      startedPerSecond: t.exposeFloat('startedPerSecond', { description: 'Attempts assigned, over the same time.' }),
    }),
  });

const addPoolType = (builder: Builder) => {
  const CapabilityBacklogType = addBacklogType(builder);
  return builder.objectRef<PoolView>('Pool').implement({
    description: 'A pool that has agents, open tasks, or something that people have decided about it.',
    fields: (t) => ({
      name: t.exposeID('name'),
      paused: t.boolean({
        description: 'No agent gets a task of it.',
        resolve: ({ paused }) => paused !== undefined,
      }),
      pausedSince: t.field({ type: 'DateTime', nullable: true, resolve: ({ paused }) => paused?.since ?? null }),
      pausedReason: t.string({ nullable: true, resolve: ({ paused }) => paused?.reason ?? null }),
      led: t.exposeBoolean('led', { description: 'Some process assigns its tasks.' }),
      waiting: t.exposeInt('waiting', { description: 'Tasks that no agent holds.' }),
      running: t.exposeInt('running', { description: 'Tasks that an agent holds.' }),
      backlog: t.field({
        type: [CapabilityBacklogType],
        description: 'The same by capability.',
        resolve: ({ backlog }) => [...backlog],
      }),
    }),
  });
};

export const addPoolQueries = (builder: Builder) => {
  const Pool = addPoolType(builder);
  builder.queryField('pools', (t) =>
    t.field({
      type: [Pool],
      description: 'How the pools work now, by name; from the memory of this process.',
      args: { atLeast: t.arg(AT_LEAST) },
      resolve: async (_, { atLeast }, { pools, reads }) => {
        const seen = await pools.pools(atLeast);
        reads.reflected(seen.position);
        return [...seen.pools];
      },
    }),
  );
};
