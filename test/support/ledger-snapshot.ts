import { PoolLedger } from '../../src/domain/pool/ledger.ts';
import type { LedgerSnapshot } from '../../src/domain/pool/ledger-snapshot.ts';
import type { TaskPart } from '../../src/domain/pool/task-table.ts';

export { copyOf } from '../../src/domain/pool/recomputation.ts';

/** What Postgres keeps of a ledger, as JSON. */
export const savedLedger = (ledger: PoolLedger): string =>
  JSON.stringify({ head: ledger.snapshot(), parts: ledger.takeParts('all') });

export const restoredLedger = (saved: string): PoolLedger => {
  const { head, parts } = JSON.parse(saved) as { head: LedgerSnapshot; parts: TaskPart[] };
  const ledger = new PoolLedger('default', head);
  for (const part of parts) ledger.restorePart(part);
  return ledger;
};
