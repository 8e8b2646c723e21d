import { AccessDeniedError, type EventStoreDBClient } from '@eventstore/db-client';
import { describe, expect, it } from 'vitest';
import { confirmed, numbersOf, streamSettings, take, watch } from './persistent-support.ts';
import { ADMIN, ALICE, BOB, OPS, startSecureNode } from './secure-support.ts';
import { events } from './support.ts';

const start = async () => {
  const { client } = await startSecureNode();
  const admin = client(ADMIN);
  await admin.appendToStream('order-1', events(2));
  await admin.createPersistentSubscriptionToStream('order-1', 'g', streamSettings());
  return { client, admin };
};

const MANAGE = [
  ['create', (c: EventStoreDBClient) => c.createPersistentSubscriptionToStream('order-1', 'new', streamSettings())],
  ['update', (c: EventStoreDBClient) => c.updatePersistentSubscriptionToStream('order-1', 'g', streamSettings())],
  ['replay', (c: EventStoreDBClient) => c.replayParkedMessagesToStream('order-1', 'g')],
  ['restart', (c: EventStoreDBClient) => c.restartPersistentSubscriptionSubsystem()],
  ['delete', (c: EventStoreDBClient) => c.deletePersistentSubscriptionToStream('order-1', 'g')],
] as const;

describe('managing groups', () => {
  it.each(MANAGE)('(%s) is reserved for operators', async (_, use) => {
    const { client } = await start();
    for (const who of [ALICE, undefined]) await expect(use(client(who))).rejects.toBeInstanceOf(AccessDeniedError);
    await expect(use(client(OPS))).resolves.toBeUndefined();
  });
});

describe('viewing groups', () => {
  it('is allowed for operators and for readers of the stream', async () => {
    const { client, admin } = await start();
    await admin.setStreamMetadata('order-1', { acl: { readRoles: ['alice'] } });
    const look = (who: typeof ADMIN | undefined) => client(who).getPersistentSubscriptionToStreamInfo('order-1', 'g');
    for (const who of [ADMIN, OPS, ALICE]) expect(await look(who)).toMatchObject({ groupName: 'g' });
    for (const who of [BOB, undefined]) await expect(look(who)).rejects.toBeInstanceOf(AccessDeniedError);
  });

  it('shows who is connected', async () => {
    const { client, admin } = await start();
    await confirmed(client(ALICE).subscribeToPersistentSubscriptionToStream('order-1', 'g'));
    const { connections } = await admin.getPersistentSubscriptionToStreamInfo('order-1', 'g');
    expect(connections).toMatchObject([{ username: 'alice' }]);
  });
});

describe('reading from a group', () => {
  it('is reserved for readers of the stream', async () => {
    const { client, admin } = await start();
    await admin.setStreamMetadata('order-1', { acl: { readRoles: ['alice'] } });
    const subscribe = (who?: typeof ADMIN) => client(who).subscribeToPersistentSubscriptionToStream('order-1', 'g');
    expect(numbersOf(await take(subscribe(ALICE), 2))).toEqual([0, 1]);
    expect(await watch(subscribe(BOB)).ended).toBeInstanceOf(AccessDeniedError);
    expect(await watch(subscribe()).ended).toBeInstanceOf(AccessDeniedError);
  });
});
