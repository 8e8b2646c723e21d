import type { GroupKey, GroupSettings } from './settings.ts';
import type { ThroughputReading } from './throughput.ts';

/** Information about a group. Positions are text, which clients parse; '' if there is none. */
export type GroupInfo = GroupKey & {
  readonly settings: GroupSettings;
  readonly status: string;
  readonly startFrom: string;
  readonly lastCheckpoint: string;
  readonly lastKnown: string;
  readonly throughput: ThroughputReading;
  readonly readBuffer: number;
  readonly liveBuffer: number;
  readonly retryBuffer: number;
  readonly inFlight: number;
  readonly parked: number;
  readonly connections: readonly ConnectionInfo[];
};

export type ConnectionInfo = {
  /** Address of the client. */
  readonly from: string;
  readonly username: string;
  readonly name: string;
  readonly throughput: ThroughputReading;
  readonly measurements: readonly (readonly [name: string, ms: number])[];
  readonly availableSlots: number;
  readonly inFlight: number;
};
