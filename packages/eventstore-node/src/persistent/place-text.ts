import { MAX_I64, TOMBSTONE_REVISION } from '../storage/record.ts';
import { ALL, type StartFrom } from './settings.ts';

/** A place as clients and stored checkpoints have it: a revision, or `C:<commit>/P:<prepare>` in $all. */
export const placeText = (stream: string, place: number): string => {
  const number = place >= TOMBSTONE_REVISION ? String(MAX_I64) : String(place);
  return stream === ALL ? `C:${number}/P:${number}` : number;
};

export const startText = (stream: string, startFrom: StartFrom): string => {
  if (startFrom === 'start') return placeText(stream, 0);
  return placeText(stream, startFrom === 'end' ? -1 : startFrom);
};

/** Undefined for text that is no place. */
export const parsePlace = (text: string): number | undefined => {
  const match = /^(?:C:(\d+)\/P:\d+|(\d+))$/.exec(text);
  return match ? Number(match[1] ?? match[2]) : undefined;
};
