import { randomUUID } from 'node:crypto';
import {
  AccessDeniedError,
  type EventStoreDBClient,
  excludeSystemEvents,
  jsonEvent,
  persistentSubscriptionToStreamSettingsFromDefaults,
  START,
  streamNameFilter,
} from '@eventstore/db-client';
import { beforeEach, describe, expect, it } from 'vitest';
import { batchFragment, parseBatchResponse, rawCalls } from './raw-client.ts';
import { ADMIN, ALICE, BOB, certificate, OPS, startSecureNode } from './secure-support.ts';
import { collect, event, events, eventually } from './support.ts';

const BASIC_ALICE = `Basic ${Buffer.from(`${ALICE.username}:${ALICE.password}`).toString('base64')}`;

let admin: EventStoreDBClient;
let alice: EventStoreDBClient;
let port: number;

beforeEach(async () => {
  const { node, client } = await startSecureNode();
  port = node.port;
  admin = client(ADMIN);
  alice = client(ALICE);
});

/** Refused for want of permission: in a status, or in the answer of a shared call. */
const denied = async (call: Promise<unknown>) => {
  const failure = await call.then(
    () => undefined,
    (error) => error,
  );
  expect(failure).toBeInstanceOf(AccessDeniedError);
  expect([7, undefined]).toContain(failure._raw?.code);
};

/** Calls with their own credentials take the Append path; those without take BatchAppend. */
const asBob = { credentials: BOB };

describe('a user stream', () => {
  it('is open to every authenticated user', async () => {
    await alice.appendToStream('s', event(0));
    await alice.appendToStream('s', event(1), asBob);
    await alice.setStreamMetadata('s', { maxCount: 5 }, asBob);
    expect(await collect(alice.readStream('s', asBob))).toHaveLength(2);
    expect((await alice.getStreamMetadata('s', asBob)).metadata?.maxCount).toBe(5);
    await alice.deleteStream('s', asBob);
    await alice.tombstoneStream('s', asBob);
  });

  it('can be written by those that its metadata names, with either kind of call', async () => {
    await admin.setStreamMetadata('s', { acl: { writeRoles: ['bob'] } });
    await denied(alice.appendToStream('s', events(3)));
    await denied(alice.appendToStream('s', events(3), { credentials: ALICE }));
    await alice.appendToStream('s', event(0), asBob);
    await admin.appendToStream('s', event(1));
    expect(await collect(alice.readStream('s'))).toHaveLength(2);
  });

  it('can be read by those that its metadata names', async () => {
    await admin.setStreamMetadata('s', { acl: { readRoles: ['readers'] } });
    await alice.appendToStream('s', event(0), asBob);
    expect(await collect(alice.readStream('s'))).toHaveLength(1);
    await denied(collect(alice.readStream('s', asBob)));
    await denied(collect(alice.subscribeToStream('s', asBob)));
    await denied(collect(alice.readStream('s', { credentials: OPS, direction: 'backwards', fromRevision: 'end' })));
  });

  it('can be deleted and tombstoned by those that its metadata names', async () => {
    await admin.setStreamMetadata('s', { acl: { deleteRoles: 'alice' as never } });
    await alice.appendToStream('s', event(0), asBob);
    await denied(alice.deleteStream('s', asBob));
    await denied(alice.tombstoneStream('s', asBob));
    await alice.tombstoneStream('s');
  });

  it('has metadata that is accessible to those it names', async () => {
    const acl = { metaReadRoles: ['alice'], metaWriteRoles: ['$admins'] };
    await admin.setStreamMetadata('s', { acl });
    expect((await alice.getStreamMetadata('s')).metadata?.acl).toMatchObject(acl);
    await denied(alice.getStreamMetadata('s', asBob));
    await denied(alice.setStreamMetadata('s', {}));
    await denied(alice.setStreamMetadata('s', {}, { credentials: ALICE }));
    await denied(alice.appendToStream('$$s', jsonEvent({ type: '$metadata', data: {} })));
    await denied(alice.tombstoneStream('$$s'));
    await denied(admin.tombstoneStream('$$s'));
  });

  it('that is denied looks like one that does not exist', async () => {
    await admin.setStreamMetadata('never', { acl: { readRoles: ['bob'] } });
    await denied(collect(alice.readStream('never')));
  });
});

describe('an append that is denied', () => {
  it('is answered once within the shared call, which continues', async () => {
    await admin.setStreamMetadata('closed', { acl: { writeRoles: ['bob'] } });
    const results = await Promise.allSettled(
      Array.from({ length: 50 }, (_, n) => alice.appendToStream(n % 2 ? 'closed' : 'open', event(n))),
    );
    expect(results.map(({ status }) => status)).toEqual(results.map((_, n) => (n % 2 ? 'rejected' : 'fulfilled')));
    expect(await collect(alice.readStream('open'))).toHaveLength(25);
  });

  it('ignores its later fragments, names its stream and carries the detail', async () => {
    const call = rawCalls(port, { ca: certificate.cert, authorization: BASIC_ALICE })('BatchAppend');
    const [no, yes] = [randomUUID(), randomUUID()];
    call.send(batchFragment({ correlation: no, stream: '$secret' }));
    call.send(batchFragment({ correlation: no }));
    call.send(batchFragment({ correlation: no, isFinal: true }));
    call.send(batchFragment({ correlation: yes, stream: 's', isFinal: true }));
    await eventually(() => call.messages.length >= 2);
    call.end();
    await call.ended;
    const [first, second] = call.messages.map((message) => parseBatchResponse(message));
    expect(call.messages).toHaveLength(2);
    expect(first?.getCorrelationId()?.getString()).toBe(no);
    expect(Buffer.from(first!.getStreamIdentifier()!.getStreamName_asU8()).toString()).toBe('$secret');
    expect(first?.getError()?.getCode()).toBe(7);
    expect(first?.getError()?.getDetails()?.getTypeUrl()).toBe('type.googleapis.com/event_store.client.AccessDenied');
    expect(second?.hasSuccess()).toBe(true);
  });
});

describe('system streams', () => {
  it('are reserved for administrators, unless their metadata opens them', async () => {
    await denied(alice.appendToStream('$s', event(0)));
    await denied(alice.appendToStream('$s', event(0), { credentials: OPS }));
    await admin.appendToStream('$s', event(0));
    await denied(collect(alice.readStream('$s')));
    await denied(alice.setStreamMetadata('$s', { acl: { readRoles: ['$all'] } }));
    await admin.setStreamMetadata('$s', { acl: { readRoles: ['$all'] } });
    expect(await collect(alice.readStream('$s'))).toHaveLength(1);
  });

  it('reveal the users to nobody else', async () => {
    await denied(collect(alice.readStream('$user-admin')));
    await denied(collect(alice.readStream('$users')));
    await denied(collect(alice.readStream('$$$user-admin')));
  });
});

describe('$all', () => {
  it('can be read by administrators only, unless its metadata opens it', async () => {
    await alice.appendToStream('s', event(0));
    await denied(collect(alice.readAll()));
    await denied(collect(alice.subscribeToAll()));
    await denied(collect(alice.subscribeToAll({ filter: streamNameFilter({ prefixes: ['s'] }) })));
    await admin.setStreamMetadata('$all', { acl: { readRoles: ['readers'] } });
    expect((await collect(alice.readAll())).length).toBeGreaterThan(8);
    await denied(collect(alice.readAll(asBob)));
  });

  it('can be written by nobody', async () => {
    await denied(admin.appendToStream('$all', event(0)));
    await denied(admin.appendToStream('$all', event(0), { credentials: ADMIN }));
    await denied(admin.deleteStream('$all'));
  });
});

describe('$settings', () => {
  const settings = (data: object) =>
    admin.appendToStream('$settings', jsonEvent({ type: '$settings', data: data as never }));

  it('apply to streams without an access list, from the moment they are written', async () => {
    await alice.appendToStream('s', event(0));
    await settings({ $userStreamAcl: { $r: ['bob'], $w: ['bob'] }, $systemStreamAcl: { $r: ['alice', '$admins'] } });
    await denied(alice.appendToStream('s', event(1)));
    await denied(collect(alice.readStream('s')));
    expect(await collect(alice.readStream('s', asBob))).toHaveLength(1);
    expect(await collect(alice.readStream('$settings'))).toHaveLength(1);
    expect((await collect(alice.readAll())).length).toBeGreaterThan(1);
    await settings({});
    await alice.appendToStream('s', event(1));
    await denied(collect(alice.readStream('$settings')));
  });

  it('can be written by administrators only', async () => {
    await denied(alice.appendToStream('$settings', jsonEvent({ type: '$settings', data: {} })));
  });
});

describe('a link', () => {
  it('to a stream that its reader may not read comes without the event', async () => {
    await admin.setStreamMetadata('secret', { acl: { readRoles: ['bob'] } });
    await alice.appendToStream('secret', event(7));
    await alice.appendToStream('open', event(8));
    const link = (data: string) =>
      ({
        ...jsonEvent({ type: '$>', data: {} }),
        data: Buffer.from(data),
        contentType: 'application/octet-stream',
      }) as never;
    await alice.appendToStream('links', [link('0@secret'), link('0@open')]);
    const resolved = async (options = {}) =>
      (await collect(alice.readStream('links', { resolveLinkTos: true, ...options }))).map((entry) => [
        entry.link?.streamId,
        (entry.event?.data as { n: number } | undefined)?.n,
      ]);
    expect(await resolved()).toEqual([
      ['links', undefined],
      ['links', 8],
    ]);
    expect(await resolved(asBob)).toEqual([
      ['links', 7],
      ['links', 8],
    ]);
  });
});

describe('a subscription', () => {
  /** What it was given, until it failed. */
  const follow = (subscription: ReturnType<EventStoreDBClient['subscribeToStream' | 'subscribeToAll']>) => {
    const seen: unknown[] = [];
    const state = { caughtUp: false, seen, failure: undefined as unknown };
    subscription.on('data', ({ event }) => seen.push(event?.data));
    subscription.on('caughtUp', () => {
      state.caughtUp = true;
    });
    subscription.on('error', (error) => {
      state.failure = error;
    });
    return state;
  };
  const open = async (...args: Parameters<typeof follow>) => {
    const state = follow(...args);
    await eventually(() => state.caughtUp);
    return state;
  };

  it('ends when its reader may no longer read the stream, while those of others continue', async () => {
    await alice.appendToStream('s', event(0));
    const mine = await open(alice.subscribeToStream('s', { fromRevision: START }));
    const his = await open(alice.subscribeToStream('s', { fromRevision: START, ...asBob }));
    const acl = { readRoles: ['bob'] };
    await admin.setStreamMetadata('s', { acl });
    await eventually(() => mine.failure !== undefined);
    await alice.appendToStream('s', event(1));
    await eventually(() => his.seen.length === 2);
    expect(mine.failure).toBeInstanceOf(AccessDeniedError);
    expect(mine.seen).toEqual([{ n: 0 }]);
    expect(his.failure).toBeUndefined();
  });

  it('never shows events written after the change, even at the same moment', async () => {
    await alice.appendToStream('s', event(0));
    const mine = await open(alice.subscribeToStream('s', { fromRevision: START }));
    await Promise.all([
      admin.appendToStream('s', event(1)),
      admin.setStreamMetadata('s', { acl: { readRoles: [] } }),
      admin.appendToStream('s', event(2)),
    ]);
    await eventually(() => mine.failure !== undefined);
    expect(mine.seen).not.toContainEqual({ n: 2 });
  });

  it('ends when the settings change, and continues when other metadata does', async () => {
    const mine = await open(alice.subscribeToStream('s'));
    await admin.setStreamMetadata('s', { maxCount: 3 });
    await alice.appendToStream('s', event(0));
    await eventually(() => mine.seen.length === 1);
    expect(mine.failure).toBeUndefined();
    await admin.appendToStream('$settings', jsonEvent({ type: '$settings', data: { $userStreamAcl: { $r: 'bob' } } }));
    await eventually(() => mine.failure !== undefined);
    expect(mine.failure).toBeInstanceOf(AccessDeniedError);
  });

  it('to $all ends when $all is closed', async () => {
    await admin.setStreamMetadata('$all', { acl: { readRoles: ['alice'] } });
    const mine = await open(alice.subscribeToAll({ filter: excludeSystemEvents() }));
    await alice.appendToStream('s', event(0));
    await eventually(() => mine.seen.length === 1);
    await admin.setStreamMetadata('$all', {});
    await eventually(() => mine.failure !== undefined);
    expect(mine.failure).toBeInstanceOf(AccessDeniedError);
  });
});

describe('a persistent subscription', () => {
  const settings = persistentSubscriptionToStreamSettingsFromDefaults({ startFrom: START });

  it('can be created, changed and removed by administrators and operators', async () => {
    const asOps = { credentials: OPS };
    await denied(alice.createPersistentSubscriptionToStream('s', 'g', settings));
    await alice.createPersistentSubscriptionToStream('s', 'g', settings, asOps);
    await denied(alice.updatePersistentSubscriptionToStream('s', 'g', settings));
    await admin.updatePersistentSubscriptionToStream('s', 'g', settings);
    await denied(alice.deletePersistentSubscriptionToStream('s', 'g'));
    await alice.deletePersistentSubscriptionToStream('s', 'g', asOps);
  });

  it('can be used by those who may read the stream', async () => {
    await admin.setStreamMetadata('s', { acl: { readRoles: ['alice'] } });
    await admin.createPersistentSubscriptionToStream('s', 'g', settings);
    await alice.appendToStream('s', event(1));
    await denied(collect(alice.subscribeToPersistentSubscriptionToStream('s', 'g', asBob)));
    for await (const { event } of alice.subscribeToPersistentSubscriptionToStream('s', 'g')) {
      expect(event?.data).toEqual({ n: 1 });
      break;
    }
  });
});
