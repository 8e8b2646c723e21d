import { z } from 'zod';
import type { Caller } from '../../commands/context.ts';
import type { Position } from '../../eventstore/event-store.ts';
import type { Patience, Waits } from '../../processes/outcomes/waits.ts';
import type { CallerOf } from '../edge/caller.ts';
import { PositionText } from '../edge/query-string.ts';
import type { ReadContext } from '../reads/context.ts';

export const REST_PATH = '/api/v1';

export type RestContext = Pick<ReadContext, 'commands' | 'unledPools' | 'fleet' | 'pools'> & {
  readonly callerOf: CallerOf;
  /** The read side of one request. */
  readonly readsOf: (tenant: string) => ReadContext['reads'];
  readonly waits: Waits;
  /** The last event that this process knows of. */
  readonly head: () => Position;
  /** Position up to which this process has seen the log: its cached executions are at least as new. */
  readonly seen: () => Position;
};

/** A request as an operation gets it: `body` is JSON that passed the scanner, but no schema yet. */
export type Requested<Query = Readonly<Record<string, unknown>>> = Omit<RestContext, 'callerOf' | 'readsOf'> &
  ReadContext & {
    readonly caller: Caller;
    /** The path's parameter. */
    readonly target: string;
    readonly query: Query;
    readonly body: unknown;
    /** How long the client waits for an outcome. */
    readonly patience: Patience;
  };

type Answer = {
  readonly body: unknown;
  readonly location?: string;
  /** Where it is not the usual status. */
  readonly status?: number;
};

/** A request that works on a server that has just been set up, after those of the operations before it. */
export type Example = {
  readonly target?: string;
  readonly query?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: unknown;
  /** Names the intent, so that what it makes has the same id everywhere. */
  readonly key?: string;
};

/** One endpoint: its route, its documentation and what it does. */
export type Operation<Query extends z.ZodObject = z.ZodObject> = {
  readonly method: 'get' | 'post' | 'patch';
  /** With at most one parameter. */
  readonly path: string;
  /** Another path that does the same. */
  readonly alsoAt?: string;
  readonly id: string;
  readonly summary: string;
  readonly description?: string;
  /** Schema of the path's parameter. */
  readonly target?: z.ZodType;
  readonly query?: Query;
  readonly body?: { readonly schema: z.ZodType; readonly required: boolean; readonly yaml?: boolean };
  /** The client may wait for an outcome, by the header `Prefer`. `done`: what the answer then is. */
  readonly waits?: { readonly done: string };
  readonly success: { readonly status: number; readonly description: string; readonly schema?: z.ZodType };
  /** Statuses of refusals. */
  readonly refusals: readonly number[];
  readonly example: Example;
  readonly run: (request: Requested<z.output<Query>>) => Promise<Answer>;
};

/** Checks that the operation reads its query as its schema says. */
export const operation = <Query extends z.ZodObject>(declared: Operation<Query>): Operation =>
  declared as unknown as Operation;

/** What a command can be refused with. */
export const COMMAND_REFUSALS = [400, 403, 404, 409, 413, 415, 422, 503] as const;
/** What a command that makes something new can be refused with. */
export const CREATION_REFUSALS = [400, 409, 413, 415, 422, 503] as const;
export const QUERY_REFUSALS = [400, 503] as const;
export const SUBJECT_REFUSALS = [400, 404, 503] as const;

export const Issue = z.strictObject({
  pointer: z.string().meta({ description: 'JSON pointer into the body, or `/` and the name of a parameter.' }),
  code: z.string(),
  message: z.string(),
});

/** What every accepted command says. */
export const RECORDED = {
  position: PositionText.meta({ description: 'Pass it as `atLeast` to see the effect.' }),
  repeated: z
    .boolean()
    .meta({ description: 'It was done before, or there was nothing to change; nothing was recorded.' }),
} as const;

/** RFC 9457. */
export const Problem = z.strictObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  instance: z.string(),
  code: z.string(),
  retryable: z.boolean(),
  issues: z.array(Issue).optional(),
  details: z
    .record(z.string(), z.unknown())
    .optional()
    .meta({ description: 'Includes `reason` when the code is REJECTED.' }),
});

/** Parameters of every query. */
export const AT_LEAST = {
  atLeast: PositionText.optional().meta({
    description: 'Position of a command whose effect the answer must include.',
  }),
} as const;

export const AtLeastQuery = z.strictObject(AT_LEAST);

export const positionOf = ({ atLeast }: { readonly atLeast?: string | undefined }): Position | undefined =>
  atLeast === undefined ? undefined : BigInt(atLeast);
