import { badFile, type Line, parseHeader, parseLine } from './format.ts';
import type { RecordedEvent } from './raw-read.ts';
import { readLines, type TextLine } from './read-lines.ts';

export type FileEvent = { readonly event: RecordedEvent /** Bytes of the file up to here. */; readonly end: number };

/**
 * The events of an export, in its order. A torn last line is skipped and reported to `onTorn`.
 * Errors: `AppError` for a file that is not an export, and for another line that is not an event.
 */
export async function* readExport(path: string, onTorn: () => void): AsyncGenerator<FileEvent> {
  let isFirst = true;
  for await (const line of readLines(path)) {
    if (isFirst) {
      isFirst = false;
      parseHeader(line.text, path);
      continue;
    }
    const parsed = parse(path, line);
    if (parsed === undefined) onTorn();
    else if (parsed.kind === 'event') yield { event: parsed.event, end: line.end };
  }
  if (isFirst) throw badFile(path, 'is empty');
}

const parse = (path: string, { text, number, whole }: TextLine): Line | undefined => {
  try {
    return parseLine(text, `${path}, line ${number}`);
  } catch (error) {
    if (whole) throw error;
    return undefined;
  }
};
