import { BACKLOG_VERSION, Backlog } from '../../domain/admission/backlog.ts';
import { admissionStream, executionStream, poolStream, taskStream } from '../../domain/ids.ts';
import type { FoldDefinition, LeaderStatus } from '../leader.ts';
import { OwnFold, type OwnFoldDeps } from '../own-fold.ts';

const foldFor = (tenant: string): FoldDefinition<Backlog> => {
  const prefixes = [taskStream, executionStream, poolStream, admissionStream].map((streamOf) => streamOf(tenant, ''));
  return {
    name: 'backlog',
    version: BACKLOG_VERSION,
    start: (snapshot) => new Backlog(snapshot),
    wants: ({ stream }) => prefixes.some((prefix) => stream.startsWith(prefix)),
  };
};

/** What waits in each pool, in the memory of each process that accepts tasks (docs/adr/0034). */
export class BacklogWatch {
  readonly #fold: OwnFold<Backlog>;
  #backlog: Backlog | undefined;
  readonly #listeners = new Set<(taskId: string) => void>();

  constructor(deps: OwnFoldDeps) {
    const begin = (backlog: Backlog) => {
      this.#backlog = backlog;
      backlog.onSubmitted = (taskId) => {
        for (const listener of this.#listeners) listener(taskId);
      };
      return {};
    };
    this.#fold = new OwnFold({ fold: foldFor(deps.tenant), begin }, deps);
  }

  /** Runs until `signal` aborts. */
  run(signal: AbortSignal): Promise<void> {
    return this.#fold.run(signal);
  }

  status(): LeaderStatus {
    return this.#fold.status();
  }

  /** Undefined while it does not know the log up to what was its end when this process began. */
  get backlog(): Backlog | undefined {
    return this.#fold.status().leading ? this.#backlog : undefined;
  }

  /** Calls the listener for each task that this process sees in the log. */
  onSubmitted(listener: (taskId: string) => void): void {
    this.#listeners.add(listener);
  }
}
