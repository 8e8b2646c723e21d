/** How a peer is found to be gone that never said so. */
export interface KeepAlive {
  /** Silence after which it is pinged. */
  readonly intervalMs: number;
  /** Silence after that until it counts as gone. */
  readonly timeoutMs: number;
}
