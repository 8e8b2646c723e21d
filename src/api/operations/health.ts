import type { RequestHandler } from 'express';
import { type Clock, sleep } from '../../platform/clock.ts';
import type { Logger } from '../../platform/logger.ts';

/** A part without which this process cannot take traffic. `check` resolves when it works. */
export type ReadinessPart = { readonly name: string; readonly check: () => Promise<unknown> };

export type Readiness = {
  /** Those of this moment. */
  readonly parts: () => readonly ReadinessPart[];
  /** How many streams wait for a build that can read them, by what follows them. Everything else goes on, so they do not make a part fail. */
  readonly parked?: () => Readonly<Record<string, number>>;
  /** Pools in use that no process leads. This process can still take their work in, so they do not make a part fail. */
  readonly unledPools: () => readonly string[];
  /** True from SIGTERM on: balancers should use another process. */
  readonly draining: () => boolean;
};

/** A part that does not answer within this time counts as down. */
const CHECK_TIMEOUT_MS = 2_000;

export type PartStatus = { readonly name: string; readonly ok: boolean };

const checkPart = async ({ name, check }: ReadinessPart, clock: Clock, logger: Logger): Promise<PartStatus> => {
  const cancel = new AbortController();
  try {
    const late = sleep(clock, CHECK_TIMEOUT_MS, cancel.signal).then(() => {
      throw new Error(`no answer within ${CHECK_TIMEOUT_MS} ms`);
    });
    late.catch(() => undefined); // when the check finished first, nobody waits for this one
    await Promise.race([check(), late]);
    return { name, ok: true };
  } catch (error) {
    logger.debug({ err: error, part: name }, 'not ready');
    return { name, ok: false };
  } finally {
    cancel.abort();
  }
};

/** The process is alive. Checks nothing else. */
export const healthz: RequestHandler = (_request, response) => {
  response.json({ status: 'alive' });
};

export type ReadinessReport = {
  readonly status: 'ready' | 'draining' | 'not ready';
  readonly parts: Readonly<Record<string, 'ok' | 'down'>>;
  readonly parked?: Readonly<Record<string, number>>;
  readonly unledPools?: readonly string[];
};

/** Asks every part whether it works. */
export const reportReadiness = async (
  { parts, parked, unledPools, draining }: Readiness,
  clock: Clock,
  logger: Logger,
): Promise<ReadinessReport> => {
  const statuses = await Promise.all(parts().map((part) => checkPart(part, clock, logger)));
  const waiting = Object.entries(parked?.() ?? {}).filter(([, streams]) => streams > 0);
  const unled = unledPools();
  return {
    status: draining() ? 'draining' : statuses.every(({ ok }) => ok) ? 'ready' : 'not ready',
    parts: Object.fromEntries(statuses.map(({ name, ok }) => [name, ok ? 'ok' : 'down'])),
    ...(waiting.length === 0 ? {} : { parked: Object.fromEntries(waiting) }),
    ...(unled.length === 0 ? {} : { unledPools: unled }),
  };
};

/** Whether this process can take traffic: 503 while a part is down, or while it drains. */
export const readyz =
  (report: () => Promise<ReadinessReport>): RequestHandler =>
  async (_request, response) => {
    const found = await report();
    response
      .status(found.status === 'ready' ? 200 : 503)
      .set('cache-control', 'no-store')
      .json(found);
  };
