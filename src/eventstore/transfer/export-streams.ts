import type { EventStoreDBClient } from '@eventstore/db-client';
import { AppError } from '../../platform/errors.ts';
import type { Position } from '../event-store.ts';
import { ExportFile } from './export-file.ts';
import { checkpointLine, eventLine } from './format.ts';
import { headOf, type RecordedEvent, readAllRaw, readStreamRaw } from './raw-read.ts';
import { type Selection, selects } from './selection.ts';

export type ExportOptions = {
  readonly file: string;
  readonly selection: Selection;
  /** ISO 8601, for the header. */
  readonly now: string;
  /** Ends the export early; the file stays and can be continued. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: {
    readonly events: number;
    readonly position: Position;
    readonly head: Position;
  }) => void;
};

export type Exported = {
  /** Events written by this export; the file may hold more from earlier ones. */
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
 * Writes the selected streams to a file in log order, up to the current end of the log. An existing file is continued after its last
 * complete line.
 * Errors: `AppError` for a file that is not an export, or one of another log; those of the client.
 */
export const exportStreams = async (client: EventStoreDBClient, options: ExportOptions): Promise<Exported> => {
  const head = (await headOf(client)) ?? 0n; // first, so that nothing is written without a server
  const file = ExportFile.open(options.file, options.selection, options.now);
  try {
    await checkSource(client, file, { path: options.file, head });
    return await copy(client, file, head, options);
  } finally {
    file.close();
  }
};

/** The file must come from this log. Where a scavenge may have removed the event, its absence proves nothing. */
const checkSource = async (
  client: EventStoreDBClient,
  { last, lastEvent, position }: ExportFile,
  { path, head }: { readonly path: string; readonly head: Position },
): Promise<void> => {
  if (position !== undefined && position > head)
    throw otherLog(path, `that was read up to position ${position}, this one ends at ${head}`);
  if (lastEvent === undefined) return;
  const { id, stream, revision } = lastEvent;
  if (last?.kind === 'event') {
    const found = await firstOf(readAllRaw(client, lastEvent.position)).catch(() => undefined);
    if (found?.id !== id) throw otherLog(path, `its last event ${id} is not at position ${lastEvent.position}`);
    return;
  }
  const found = await firstOf(readStreamRaw(client, stream, revision, 1)).catch(() => undefined);
  if (found?.revision === revision && found.id !== id)
    throw otherLog(path, `its last event ${id} is not at revision ${revision} of ${JSON.stringify(stream)}`);
};

const otherLog = (path: string, how: string): AppError =>
  new AppError('CONFLICT', `${path} was exported from another log: ${how}`);

const firstOf = async (events: AsyncIterable<RecordedEvent>): Promise<RecordedEvent | undefined> => {
  for await (const event of events) return event;
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
