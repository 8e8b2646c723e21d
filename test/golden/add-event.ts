/**
 * Stores a sample of an event's newest schema version in `test/golden/events`, sealed as the log would have it, and in `test/golden/states`
 * the state that it folds to. Golden files are added, never edited: a sample that no longer decodes, or folds to another state, means that
 * a new schema version is needed.
 *
 *   npx tsx test/golden/add-event.ts TaskCancelled < data.json
 */
import { writeFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { domainEvents } from '../../src/domain/events.ts';
import { commandIdOf } from '../../src/domain/ids.ts';
import { type EventContext, encodeEvents } from '../../src/eventstore/codec.ts';
import { EMPTY_HEAD } from '../../src/eventstore/provenance.ts';
import { foldedState, stateUrl } from './fold.ts';

const type = process.argv[2] as keyof typeof domainEvents;
const definition = domainEvents[type];
if (definition === undefined) throw new Error(`usage: add-event.ts <event type> < data.json; no event type ${type}`);

const commandId = commandIdOf('default', 'golden', type);
const context: EventContext = {
  tenant: 'default',
  commandId,
  correlationId: commandId,
  causationId: commandId,
  actor: 'user:ada',
  at: '2026-01-02T03:04:05.678Z',
  fingerprint: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
};
const stream = `golden-default.${type}`;
const data: unknown = JSON.parse(await text(process.stdin));
const [sealed] = encodeEvents(stream, context, [{ type, data } as never], EMPTY_HEAD);
const stored = { stream, revision: '0', position: '1024', ...sealed, recordedAt: '2026-01-02T03:04:05.680Z' };
const file = `${type}.v${definition.schemaVersion}.json`;
const write = (url: URL, value: unknown) => writeFile(url, `${JSON.stringify(value, null, 2)}\n`, { flag: 'wx' });
await write(new URL(`events/${file}`, import.meta.url), stored);
await write(stateUrl(file), foldedState(file));
