/** A process that shows no sign of running for this long counts as suspended; its checks are one second apart. */
const SUSPENDED_AFTER_MS = 3_000;

type Heard = { readonly sign: string; readonly atMs: number };

/**
 * How long each agent has been silent while this process was listening. All times are of the monotonic clock, in milliseconds: neither a
 * step of the wall clock nor the clock of the process that took a heartbeat makes an agent silent.
 */
export class Silence {
  readonly #heard = new Map<string, Heard>();
  #listeningSinceMs: number;
  #noticedMs: number;

  constructor(nowMs: number) {
    this.#listeningSinceMs = nowMs;
    this.#noticedMs = nowMs;
  }

  /**
   * This process runs. To be called at least once in `SUSPENDED_AFTER_MS`: after a longer pause nobody knows what was sent meanwhile, and
   * all silence is counted from now. Returns false then.
   */
  notice(nowMs: number): boolean {
    const pausedMs = nowMs - this.#noticedMs;
    this.#noticedMs = nowMs;
    if (pausedMs <= SUSPENDED_AFTER_MS) return true;
    this.restart(nowMs);
    return false;
  }

  /** Every agent counts as heard now. */
  restart(nowMs: number): void {
    this.#listeningSinceMs = nowMs;
  }

  /** @param signs the last signs of life of each agent that counts: any text that changes with the next one */
  hear(signs: ReadonlyMap<string, string>, nowMs: number): void {
    for (const agentId of this.#heard.keys()) if (!signs.has(agentId)) this.#heard.delete(agentId);
    for (const [agentId, sign] of signs)
      if (this.#heard.get(agentId)?.sign !== sign) this.#heard.set(agentId, { sign, atMs: nowMs });
  }

  /** Of an agent that was heard at least once. */
  of(agentId: string, nowMs: number): number {
    return nowMs - Math.max(this.#listeningSinceMs, this.#heard.get(agentId)?.atMs ?? nowMs);
  }
}
