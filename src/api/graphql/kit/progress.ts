import type { Position } from '../../../eventstore/event-store.ts';

/** How far the subscription of an operation has come. Its frames are built one after the other. */
export type Progress = {
  /** As the client sent it: its event stream broke, and it has received everything up to there. */
  readonly lastEventId: string | undefined;
  /** Position of the last frame; before the first one, where the subscription started. */
  reached: Position | undefined;
};

export const LAST_EVENT_ID = 'last-event-id';

export const progressOf = (request: Request): Progress => ({
  lastEventId: request.headers.get(LAST_EVENT_ID) || undefined,
  reached: undefined,
});
