import type { LogFailure } from '../src/storage/log.ts';
import { MemoryLog } from '../src/storage/memory-log.ts';

/** An event log in memory whose disk is full, broken or slow when told to be. */
export class FlakyLog extends MemoryLog {
  failure: LogFailure | undefined;
  gate: Promise<void> | undefined;

  override async append(group: Buffer): Promise<void> {
    await this.gate;
    if (this.failure) throw this.failure;
    await super.append(group);
  }
}
