import { NOTHING_YET } from '../../../projections/runner/checkpoint.ts';
import type { ProjectionOverview } from '../../../projections/runner/overview.ts';
import type { Builder } from '../kit/builder.ts';
import { enumValues } from '../kit/enums.ts';

const STATUSES = ['absent', 'building', 'live', 'halted'] as const satisfies readonly ProjectionOverview['status'][];

export const addProjections = (builder: Builder): void => {
  const ProjectionStatus = builder.enumType('ProjectionStatus', {
    description: 'BUILDING reads the log from its beginning and is not shown yet; HALTED stands until someone decides.',
    values: enumValues(STATUSES),
  });
  const Projection = builder.objectRef<ProjectionOverview>('Projection').implement({
    description: 'How a read model stands.',
    fields: (t) => ({
      name: t.exposeString('name'),
      version: t.exposeInt('version'),
      status: t.expose('status', { type: ProjectionStatus }),
      reason: t.string({ nullable: true, description: 'Why it is halted.', resolve: ({ reason }) => reason }),
      position: t.field({
        type: 'Position',
        nullable: true,
        description: 'It holds everything up to here; null before the first event.',
        resolve: ({ position }) => (position === NOTHING_YET ? null : position),
      }),
      target: t.field({
        type: 'Position',
        nullable: true,
        description: 'While building: from here on it is live.',
        resolve: ({ target }) => target,
      }),
      lagEvents: t.exposeInt('lagEvents', { description: 'Events it has not handled; counted up to 10000.' }),
      lagMs: t.expose('lagMs', { type: 'SafeInt' }),
      parked: t.exposeInt('parked', { description: 'Events it could not fold.' }),
      unknownEvents: t.field({
        type: 'SafeInt',
        description: 'Events of types that the build did not know.',
        resolve: ({ unknownEvents }) => unknownEvents,
      }),
      updatedAt: t.field({ type: 'DateTime', nullable: true, resolve: ({ updatedAt }) => updatedAt }),
    }),
  });
  builder.queryFields((t) => ({
    projections: t.field({ type: [Projection], resolve: (_, __, { projections }) => projections() }),
  }));
};
