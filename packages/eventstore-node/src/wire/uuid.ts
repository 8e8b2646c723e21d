import { GrpcError, Status } from '../grpc/status.ts';
import type { ProtoReader } from '../protobuf/reader.ts';
import { ProtoWriter } from '../protobuf/writer.ts';

const CANONICAL = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** What the real server takes besides: 32 digits, or hyphenated in braces or parentheses, spaces around. */
const OTHER_FORMS = [/^[0-9a-f]{32}$/, /^\{([0-9a-f-]{36})\}$/, /^\(([0-9a-f-]{36})\)$/];
export const NIL_UUID = '00000000-0000-0000-0000-000000000000';

/** Reads a `UUID` message, text or two 64-bit halves, as lower-case hyphenated text; '' if it has neither. */
export const readUuid = (message: ProtoReader): string => {
  let id = '';
  while (message.next()) {
    if (message.field === 2) id = textToUuid(message.text());
    else if (message.field === 1) id = readStructured(message.message());
  }
  return id;
};

/** Lower-case and hyphenated. Throws `GrpcError`. */
export const textToUuid = (text: string): string => {
  if (CANONICAL.test(text)) return text;
  const lower = text.trim().toLowerCase();
  for (const form of OTHER_FORMS) {
    const match = form.exec(lower);
    if (match) return textToUuid(match[1] ?? hyphenated(lower));
  }
  if (CANONICAL.test(lower)) return lower;
  throw new GrpcError(Status.invalidArgument, `"${text.slice(0, 80)}" is not a UUID`);
};

const readStructured = (message: ProtoReader): string => {
  let most = 0n;
  let least = 0n;
  while (message.next()) {
    if (message.field === 1) most = message.uint64();
    else if (message.field === 2) least = message.uint64();
  }
  return hyphenated(most.toString(16).padStart(16, '0') + least.toString(16).padStart(16, '0'));
};

const hyphenated = (hex: string): string =>
  `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;

export const textUuid = (id: string): ProtoWriter => new ProtoWriter().text(2, id);

export const structuredUuid = (id: string): ProtoWriter => {
  const hex = id.replaceAll('-', '');
  const halves = new ProtoWriter().uint64(1, BigInt(`0x${hex.slice(0, 16)}`)).uint64(2, BigInt(`0x${hex.slice(16)}`));
  return new ProtoWriter().message(1, halves);
};
