import type { Request, RequestHandler } from 'express';
import { z } from 'zod';
import { parseInput } from '../../commands/context.ts';
import { Signs } from '../../domain/agent/health.ts';
import type { Clock } from '../../platform/clock.ts';
import { notFound, unavailable } from '../../platform/errors.ts';
import type { Beat } from '../../processes/health/heartbeats.ts';
import type { AgentDirectory } from './agent-directory.ts';
import type { CallerOf } from './caller.ts';
import { refuseForeign } from './host-guard.ts';
import { hasBody, readJsonBody } from './json-body.ts';

const MAX_HEARTBEAT_BYTES = 4_096;
/** Of one request for many agents. */
const MAX_BATCH = 1_000;
const MAX_BATCH_BYTES = 512 * 1024;

const HeartbeatBatch = z.strictObject({
  heartbeats: z
    .array(Signs.extend({ agentId: z.string().max(200) }))
    .min(1)
    .max(MAX_BATCH),
});

/** Where heartbeats are stored. Errors: rejects when the store cannot be reached. */
export type HeartbeatSink = {
  beat(tenant: string, beats: readonly Beat[], nowMs: number): Promise<void>;
};

/** A page of another site cannot send JSON without a preflight request, but it can send a request without a body. */
const signsOf = async (request: Request): Promise<Signs | undefined> => {
  if (!hasBody(request)) {
    refuseForeign(request);
    return undefined;
  }
  const body = await readJsonBody(request, MAX_HEARTBEAT_BYTES);
  return parseInput(Signs, body);
};

type HeartbeatOptions = {
  readonly callerOf: CallerOf;
  readonly directory: AgentDirectory;
  readonly sink: HeartbeatSink;
  readonly clock: Clock;
};

const store = async (sink: HeartbeatSink, tenant: string, beats: readonly Beat[], clock: Clock): Promise<void> => {
  try {
    await sink.beat(tenant, beats, clock.now());
  } catch (error) {
    throw unavailable('heartbeats cannot be stored at the moment', error);
  }
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
    await store(sink, tenant, [{ agentId, signs }], clock);
    response.writeHead(204).end();
  };

/** Takes heartbeats of many agents: 200 with how many were taken, and which agents are not registered. */
export const heartbeats =
  ({ callerOf, directory, sink, clock }: HeartbeatOptions): RequestHandler =>
  async (request, response) => {
    const { tenant } = callerOf({ header: (name) => request.headers[name] as string | undefined });
    const batch = parseInput(HeartbeatBatch, await readJsonBody(request, MAX_BATCH_BYTES));
    const beats = batch.heartbeats.map(({ agentId, ...signs }) => ({ agentId, signs }));
    const known = await Promise.all(beats.map(({ agentId }) => directory.has(tenant, agentId)));
    const taken = beats.filter((_, index) => known[index]);
    await store(sink, tenant, taken, clock);
    const unknown = beats.filter((_, index) => !known[index]).map(({ agentId }) => agentId);
    response.json({ accepted: taken.length, unknown });
  };
