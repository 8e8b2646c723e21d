import { NOTHING_YET } from '../../../projections/runner/checkpoint.ts';
import type { ProjectionOverview } from '../../../projections/runner/overview.ts';
import type { Builder } from '../kit/builder.ts';
import { enumValues } from '../kit/enums.ts';

const STATUSES = ['absent', 'building', 'live', 'halted'] as const satisfies readonly ProjectionOverview['status'][];

export const addProjections = (builder: Builder): void => {
  const ProjectionStatus = builder.enumType('ProjectionStatus', {
    description: 'BUILDING reads the log from its beginning and is not visible yet; HALTED waits for a person.',
    values: enumValues(STATUSES),
  });
  const Projection = builder.objectRef<ProjectionOverview>('Projection').implement({
    description: 'State of a read model.',
    fields: (t) => ({
      name: t.exposeString('name'),
      version: t.exposeInt('version'),
      status: t.expose('status', { type: ProjectionStatus }),
      reason: t.string({ nullable: true, description: 'Why it is halted.', resolve: ({ reason }) => reason }),
      position: t.field({
        type: 'Position',
        nullable: true,
        description: 'It includes everything up to here; null before the first event.',
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
      parked: t.exposeInt('parked', { description: 'Events that it could not process.' }),
      unknownEvents: t.field({
        type: 'SafeInt',
        description: 'Events of types that this build does not know.',
        resolve: ({ unknownEvents }) => unknownEvents,
      }),
      updatedAt: t.field({ type: 'DateTime', nullable: true, resolve: ({ updatedAt }) => updatedAt }),
    }),
  });
  builder.queryFields((t) => ({
    projections: t.field({ type: [Projection], resolve: (_, __, { projections }) => projections() }),
  }));
};
