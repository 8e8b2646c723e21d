import {
  binaryEvent,
  type PersistentAction,
  type PersistentSubscriptionToAll,
  type PersistentSubscriptionToStream,
  persistentSubscriptionToAllSettingsFromDefaults,
  persistentSubscriptionToStreamSettingsFromDefaults,
  START,
} from '@eventstore/db-client';

export type Subscription = PersistentSubscriptionToStream | PersistentSubscriptionToAll;

/** From the start of the stream, unless told otherwise. */
export const streamSettings = (
  overrides: Partial<Parameters<typeof persistentSubscriptionToStreamSettingsFromDefaults>[0]> = {},
) => persistentSubscriptionToStreamSettingsFromDefaults({ startFrom: START, ...overrides });

export const allSettings = (
  overrides: Partial<Parameters<typeof persistentSubscriptionToAllSettingsFromDefaults>[0]> = {},
) => persistentSubscriptionToAllSettingsFromDefaults({ startFrom: START, ...overrides });

export type Delivered = {
  readonly event?: { id: string; streamId: string; revision: bigint; type: string; data: { n: number } };
  readonly link?: { id: string; streamId: string; revision: bigint };
  readonly commitPosition?: bigint;
  readonly retryCount: number;
};

/** Answers what a subscription delivers. `n` counts from 0. */
export type Answer = (subscription: Subscription, delivered: Delivered, n: number) => Promise<void> | void;

export const ack: Answer = (subscription, delivered) => subscription.ack(delivered as never);

export const nack =
  (action: PersistentAction): Answer =>
  (subscription, delivered) =>
    subscription.nack(action, `asked to ${action}`, delivered as never);

/** Takes `count` deliveries, answers each, and leaves the subscription open. */
export const take = async (subscription: Subscription, count: number, answer: Answer = ack): Promise<Delivered[]> => {
  const taken: Delivered[] = [];
  if (count === 0) return taken;
  return new Promise((resolve, reject) => {
    const onData = (data: unknown) => {
      const delivered = data as Delivered;
      taken.push(delivered);
      const done = Promise.resolve(answer(subscription, delivered, taken.length - 1));
      if (taken.length < count) return;
      subscription.off('data', onData);
      subscription.pause();
      done.then(() => resolve(taken), reject);
    };
    subscription.once('error', reject);
    subscription.on('data', onData);
    subscription.resume();
  });
};

export const numbersOf = (delivered: readonly Delivered[]) => delivered.map(({ event }) => event?.data.n);

/** Everything a subscription delivers from now on, none of it answered; and how it ends. */
export const watch = (subscription: Subscription) => {
  const delivered: Delivered[] = [];
  const ended = new Promise<Error | undefined>((resolve) => {
    subscription.once('error', (error) => resolve(error));
    subscription.once('end', () => resolve(undefined));
  });
  subscription.on('data', (data: unknown) => delivered.push(data as Delivered));
  return { delivered, ended };
};

export const confirmed = (subscription: Subscription) =>
  new Promise<void>((resolve, reject) => {
    subscription.once('confirmation' as never, (() => resolve()) as never);
    subscription.once('error', reject);
  });

export const linkTo = (stream: string, revision: number) =>
  binaryEvent({ type: '$>', data: Buffer.from(`${revision}@${stream}`) });
