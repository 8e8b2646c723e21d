import type { Clock } from '../platform/clock.ts';
import type { Lease } from '../platform/lease.ts';
import type { FoldSnapshots } from './fold-snapshots.ts';
import { type Duty, type Fold, Leader, type LeaderDeps, type LeaderStatus } from './leader.ts';

export type OwnFoldDeps = Omit<LeaderDeps, 'acquireLease'> & {
  /** Which of the processes saves the snapshots that all start from. */
  readonly acquireLease: LeaderDeps['acquireLease'];
};

const NOT_SAVED = 'left to another process';

const ownLease = (name: string, { now }: Clock): Lease => ({
  name,
  holder: 'each process',
  epoch: 0n,
  signal: new AbortController().signal,
  isHeld: () => true,
  now,
  confirm: async () => true,
  release: async () => {},
});

/** A fold that every process keeps for itself, to know something and not to decide it. */
export class OwnFold<F extends Fold> {
  readonly #acquireLease: LeaderDeps['acquireLease'];
  readonly #leader: Leader<F>;
  #savesBy: Lease | undefined;

  constructor(duty: Duty<F>, deps: OwnFoldDeps) {
    this.#acquireLease = deps.acquireLease;
    const snapshots: FoldSnapshots = {
      load: (tenant, fold) => deps.snapshots.load(tenant, fold),
      // All parts each time: others may have written it in between.
      save: async (tenant, fold, snapshot) =>
        (await this.#saves()) ? deps.snapshots.save(tenant, fold, { ...snapshot, basedOn: undefined }) : NOT_SAVED,
    };
    this.#leader = new Leader(duty, {
      ...deps,
      snapshots,
      acquireLease: async () => ownLease(duty.fold.name, deps.clock),
    });
  }

  status(): LeaderStatus {
    return this.#leader.status();
  }

  /** Runs until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#leader.run(signal);
    await this.#savesBy?.release();
  }

  async #saves(): Promise<boolean> {
    if (!this.#savesBy?.isHeld()) this.#savesBy = await this.#acquireLease();
    return this.#savesBy !== undefined;
  }
}
