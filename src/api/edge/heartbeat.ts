import type { Request, RequestHandler } from 'express';
import { z } from 'zod';
import { parseInput } from '../../commands/context.ts';
import type { Clock } from '../../platform/clock.ts';
import { notFound, unavailable } from '../../platform/errors.ts';
import type { AgentDirectory } from './agent-directory.ts';
import type { CallerOf } from './caller.ts';
import { refuseForeign } from './host-guard.ts';
import { hasBody, readJsonBody } from './json-body.ts';

const Heartbeat = z.strictObject({
  /** Share of its capacity that the agent uses. */
  load: z.number().min(0).max(1).optional(),
  /** Share of its calls that failed lately. */
  errorRate: z.number().min(0).max(1).optional(),
});
export type Heartbeat = z.output<typeof Heartbeat>;

const MAX_HEARTBEAT_BYTES = 4_096;

/** Where heartbeats are stored. Errors: rejects when the store cannot be reached. */
export type HeartbeatSink = {
  beat(tenant: string, agentId: string, nowMs: number, signs?: Heartbeat): Promise<void>;
};

/** A page of another site cannot send JSON without a preflight request, but it can send a request without a body. */
const signsOf = async (request: Request): Promise<Heartbeat | undefined> => {
  if (!hasBody(request)) {
    refuseForeign(request);
    return undefined;
  }
  const body = await readJsonBody(request, MAX_HEARTBEAT_BYTES);
  return parseInput(Heartbeat, body);
};

type HeartbeatOptions = {
  readonly callerOf: CallerOf;
  readonly directory: AgentDirectory;
  readonly sink: HeartbeatSink;
  readonly clock: Clock;
};

/** Takes a heartbeat: 204, or 404 for an agent that is not registered. */
export const heartbeat =
  ({ callerOf, directory, sink, clock }: HeartbeatOptions): RequestHandler =>
  async (request, response) => {
    const agentId = request.params['id'] as string;
    const { tenant } = callerOf({ header: (name) => request.headers[name] as string | undefined });
    const signs = await signsOf(request);
    const known = directory.has(tenant, agentId);
    if (!(known === true || (await known))) throw notFound('agent', JSON.stringify(agentId));
    try {
      await sink.beat(tenant, agentId, clock.now(), signs);
    } catch (error) {
      throw unavailable('heartbeats cannot be stored at the moment', error);
    }
    response.writeHead(204).end();
  };
