/** What a dispatcher has done since it started; for metrics, and for tests that must prove that something happened. */
export type DispatchCounters = {
  /** Deliveries. */
  jobs: number;
  /** Deliveries that came from an assigner of this process, without Redis. */
  handedOver: number;
  /** Deliveries of an attempt that was closed already or is unknown; no call was made. */
  dropped: number;
  /** Deliveries of a job that had been delivered before. */
  redelivered: number;
  /** Calls begun. */
  calls: number;
  completed: number;
  failed: number;
  /** Attempts closed with an unknown outcome. */
  indeterminate: number;
  /** Outcomes that the log refused because the attempt was closed already. */
  staleCompletionsRefused: number;
  /** Calls ended at the attempt's time limit. */
  timeouts: number;
  /** Calls ended because the attempt was closed elsewhere. */
  cancelled: number;
  /** Jobs handed back at shutdown. */
  handedBack: number;
  /** Calls under way now; a gauge. */
  inFlight: number;
};

export const newCounters = (): DispatchCounters => ({
  jobs: 0,
  handedOver: 0,
  dropped: 0,
  redelivered: 0,
  calls: 0,
  completed: 0,
  failed: 0,
  indeterminate: 0,
  staleCompletionsRefused: 0,
  timeouts: 0,
  cancelled: 0,
  handedBack: 0,
  inFlight: 0,
});
