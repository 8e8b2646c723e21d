import type { EventStoreDBClient } from '@eventstore/db-client';
import { AppError } from '../../platform/errors.ts';
import type { Position } from '../event-store.ts';
import { ExportFile } from './export-file.ts';
import { checkpointLine, eventLine } from './format.ts';
import { headOf, type RecordedEvent, readAllRaw } from './raw-read.ts';
import { type Selection, selects } from './selection.ts';

export type ExportOptions = {
  readonly file: string;
  readonly selection: Selection;
  /** ISO 8601, for the header. */
  readonly now: string;
  /** Ends the export early; what is written stays and can be continued. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: {
    readonly events: number;
    readonly position: Position;
    readonly head: Position;
  }) => void;
};

export type Exported = {
  /** Written now; the file may hold more from before. */
  readonly events: number;
  readonly streams: number;
  /** Size of the file. */
  readonly bytes: number;
  /** The log was read up to here. */
  readonly position: Position | undefined;
  readonly resumedAt: Position | undefined;
  readonly complete: boolean;
};

/**
 * Writes the selected streams to a file in log order, up to what the log holds now. A file that is there already is
 * continued behind its last whole line.
 * Errors: `AppError` for a file that is something else or of another log; the client's own.
 */
export const exportStreams = async (client: EventStoreDBClient, options: ExportOptions): Promise<Exported> => {
  const head = await headOf(client); // first, so that nothing is written when there is no server
  const file = ExportFile.open(options.file, options.selection, options.now);
  try {
    await checkSource(client, file, options.file);
    return await copy(client, file, head ?? 0n, options);
  } finally {
    file.close();
  }
};

/** The last event of the file must be in this log too. */
const checkSource = async (client: EventStoreDBClient, { last }: ExportFile, path: string): Promise<void> => {
  if (last?.kind !== 'event') return;
  const { id, position } = last.event;
  const found = await firstFrom(client, position).catch(() => undefined);
  if (found?.id === id) return;
  throw new AppError(
    'CONFLICT',
    `${path} was exported from another log: its last event ${id} is not at position ${position}`,
  );
};

const firstFrom = async (client: EventStoreDBClient, position: Position): Promise<RecordedEvent | undefined> => {
  for await (const event of readAllRaw(client, position)) return event;
  return undefined;
};

const copy = async (
  client: EventStoreDBClient,
  file: ExportFile,
  head: Position,
  { selection, signal, onProgress }: ExportOptions,
): Promise<Exported> => {
  const isSelected = selects(selection);
  const resumedAt = file.position;
  const streams = new Set<string>();
  let position = resumedAt;
  let written = resumedAt;
  let events = 0;
  for await (const event of readAllRaw(client, resumedAt)) {
    if (signal?.aborted || event.position > head) break;
    if (resumedAt !== undefined && event.position <= resumedAt) continue;
    position = event.position;
    onProgress?.({ events, position, head });
    if (!isSelected(event.stream)) continue;
    file.write(eventLine(event));
    streams.add(event.stream);
    written = position;
    events += 1;
  }
  if (position !== undefined && position !== written) file.write(checkpointLine(position));
  file.flush();
  const complete = signal?.aborted !== true;
  return { events, streams: streams.size, bytes: file.bytes, position, resumedAt, complete };
};
