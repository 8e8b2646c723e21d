/**
 * Where event groups are kept. Positions are byte offsets into one endless log; a group starts where the last one ended.
 * Calls to `append` never overlap: there is one writer, and it awaits each.
 */
export interface Log {
  /** Position after the last durable byte, where the next group will start. */
  readonly end: number;
  /** Resolves once the group would survive a power cut. Rejects with `LogFailure`; then nothing of it is kept. */
  append(group: Buffer): Promise<void>;
  /** The bytes from `position`, shorter only at the end of the log. */
  read(position: number, length: number): Buffer;
  close(): Promise<void>;
}

/** A group could not be made durable. `full` = no space left: later appends may succeed. */
export class LogFailure extends Error {
  override readonly name = 'LogFailure';
  readonly kind: 'full' | 'broken';

  constructor(kind: 'full' | 'broken', message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

/** Stored bytes are not what was written. Names the place, so that an operator can act. */
export class DamagedLog extends Error {
  override readonly name = 'DamagedLog';
  readonly position: number;

  constructor(position: number, message: string) {
    super(message);
    this.position = position;
  }
}
