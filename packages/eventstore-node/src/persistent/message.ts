/** An event on its way through a group. Its content stays in the log and is read for every delivery. */
export type Message = {
  /** Of the event as the source holds it: a link's own id, not that of its target. What clients acknowledge by. */
  readonly id: string;
  /** Ascending: revision in a stream, position in $all, or revision in the parked stream if it is replayed. */
  readonly place: number;
  /** Number of the event in the log. */
  readonly ordinal: number;
  /** What pinning strategies bind by. */
  readonly bucket: number;
  /** Comes from the parked stream: the checkpoint has already passed it. */
  readonly replayed: boolean;
};

/** A message with the number of times it was given back. */
export type Held = {
  readonly message: Message;
  readonly retries: number;
};

/** A connected client, to the extent that dispatching needs to know it. */
export type Consumer = {
  /** Most messages it may have unacknowledged. */
  readonly bufferSize: number;
  /** Ids of those it has, in the order they were sent. */
  readonly unacked: Set<string>;
  /** False while its connection takes no more. */
  accepting: boolean;
};

export const hasRoom = ({ accepting, unacked, bufferSize }: Consumer): boolean =>
  accepting && unacked.size < bufferSize;
