import { PauseInput, type PoolCommand } from '../../domain/admission/pool-control.ts';
import { poolCommand } from '../run.ts';

const pausing = (type: PoolCommand['type']) =>
  poolCommand(PauseInput, (body, now, _, pool) => ({ type, pool, ...body, now }));

/** No agent gets a task of the pool any more; what agents hold goes on. */
export const pausePool = pausing('PausePool');

/** Gives the pool's tasks to agents again. */
export const resumePool = pausing('ResumePool');
