import { z } from 'zod';
import { parseInput } from '../../commands/context.ts';
import { pausePool, resumePool } from '../../commands/pool/pause-pool.ts';
import { PauseInput } from '../../domain/admission/pool-control.ts';
import { PoolId } from '../../domain/ids.ts';
import { instantOf } from '../../domain/instant.ts';
import type { CapabilityBacklog, PoolView } from '../../processes/admission/pool-overview.ts';
import { PositionText } from '../edge/query-string.ts';
import { POOL } from './examples.ts';
import {
  AtLeastQuery,
  COMMAND_REFUSALS,
  type Operation,
  operation,
  positionOf,
  QUERY_REFUSALS,
  RECORDED,
} from './operation.ts';
import { acceptedByPool } from './rejection.ts';

const Count = z.int().min(0);

const BacklogShown = z.strictObject({
  capability: z.string(),
  waiting: Count.meta({ description: 'Tasks that no agent holds.' }),
  running: Count,
  oldestSince: z.iso.datetime().optional().meta({ description: 'Since when the one that waits longest does.' }),
  arrivedPerSecond: z
    .number()
    .min(0)
    .meta({ description: 'Over the last minute, as far as this process has seen it.' }),
  startedPerSecond: z.number().min(0),
});

const PoolShown = z.strictObject({
  name: PoolId,
  paused: z.strictObject({ since: z.iso.datetime(), reason: z.string().optional() }).optional(),
  led: z.boolean().meta({ description: 'Some process assigns its tasks.' }),
  waiting: Count,
  running: Count,
  backlog: z.array(BacklogShown),
});

const shownBacklog = ({ oldestSinceMs, ...counts }: CapabilityBacklog): z.output<typeof BacklogShown> => ({
  ...counts,
  ...(oldestSinceMs === undefined ? {} : { oldestSince: instantOf(oldestSinceMs) }),
});

const shown = ({ paused, backlog, ...pool }: PoolView): z.output<typeof PoolShown> => ({
  ...pool,
  ...(paused === undefined ? {} : { paused }),
  backlog: backlog.map(shownBacklog),
});

const list = operation({
  method: 'get',
  path: '/pools',
  id: 'listPools',
  summary: 'How the pools work now',
  description: 'Those with agents, open tasks, or something that people have decided; from the memory of the process.',
  query: AtLeastQuery,
  success: {
    status: 200,
    description: 'By name',
    schema: z.strictObject({ pools: z.array(PoolShown), position: PositionText }),
  },
  refusals: QUERY_REFUSALS,
  example: {},
  async run({ pools, query }) {
    const seen = await pools.pools(positionOf(query));
    return { body: { pools: seen.pools.map(shown), position: String(seen.position) } };
  },
});

type PoolCommand = Pick<Operation, 'id' | 'summary' | 'description' | 'example'> & {
  readonly verb: 'pause' | 'resume';
  readonly success: string;
  readonly command: typeof pausePool;
};

const onPool = ({ verb, success, command, ...documented }: PoolCommand): Operation =>
  operation({
    ...documented,
    method: 'post',
    path: `/pools/{id}/${verb}`,
    target: PoolId,
    body: { schema: PauseInput, required: false },
    success: { status: 200, description: success, schema: z.strictObject({ pool: PoolId, ...RECORDED }) },
    refusals: COMMAND_REFUSALS,
    async run({ commands, caller, pools, target, body }) {
      parseInput(PauseInput, body);
      await pools.expect(target);
      const { id, position, repeated } = acceptedByPool(await command(commands, caller, target, body));
      return { body: { pool: id, position: String(position), repeated } };
    },
  });

const pause = onPool({
  verb: 'pause',
  id: 'pausePool',
  summary: 'Give no task of a pool to an agent any more',
  description: 'What agents hold goes on; tasks can be submitted all the same.',
  success: 'Paused',
  example: { target: POOL, body: { reason: 'new version at noon' } },
  command: pausePool,
});

const resume = onPool({
  verb: 'resume',
  id: 'resumePool',
  summary: 'Give the tasks of a paused pool to agents again',
  success: 'Resumed',
  example: { target: POOL },
  command: resumePool,
});

export const POOL_OPERATIONS: readonly Operation[] = [list, pause, resume];
