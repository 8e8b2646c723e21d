import type { Job, Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { openQueue } from './open-queue.ts';

/** What an operator sees on the board; the input and the error message stay in the log. */
export type DeadLetter = {
  readonly tenant: string;
  readonly taskId: string;
  readonly reason: string;
  readonly attempts: number;
  readonly errorCode: string;
  readonly deadLetteredAt: string;
};

type DeadLetterId = Pick<DeadLetter, 'tenant' | 'taskId'>;

const PAGE = 1_000;

/** Only what a letter is: rows of a read model hold more, and not all of it is JSON. */
const dataOf = ({ tenant, taskId, reason, attempts, errorCode, deadLetteredAt }: DeadLetter): DeadLetter => ({
  tenant,
  taskId,
  reason,
  attempts,
  errorCode,
  deadLetteredAt,
});

const jobIdOf = ({ tenant, taskId }: DeadLetterId): string => `${tenant}.${taskId}`;

/**
 * A view of the dead-lettered tasks for the job board: no worker reads this queue. The facts are `TaskDeadLettered` and the events after it
 * in the log; adding and removing are idempotent.
 */
export class DeadLetterQueue {
  readonly #queue: Queue<DeadLetter, void, string>;

  constructor(redis: Redis, prefix: string) {
    this.#queue = openQueue<DeadLetter>('dead-letter', redis, prefix);
  }

  async add(letters: readonly DeadLetter[]): Promise<void> {
    if (letters.length === 0) return;
    await this.#queue.addBulk(
      letters.map((letter) => ({ name: letter.errorCode, data: dataOf(letter), opts: { jobId: jobIdOf(letter) } })),
    );
  }

  async remove(letter: DeadLetterId): Promise<void> {
    await this.#queue.remove(jobIdOf(letter));
  }

  /** The letters shown, newest first. */
  async *list(): AsyncGenerator<DeadLetter> {
    for (let start = 0; ; start += PAGE) {
      const jobs: Job<DeadLetter>[] = await this.#queue.getJobs(['waiting'], start, start + PAGE - 1);
      for (const job of jobs) yield job.data;
      if (jobs.length < PAGE) return;
    }
  }

  /** For a board. */
  get board(): Queue {
    return this.#queue;
  }

  async close(): Promise<void> {
    await this.#queue.close();
  }
}
