import type { Consumer, Message } from './message.ts';

/** Decides who gets a message. */
export interface ConsumerStrategy {
  /** Whether a message that nobody can take now blocks those after it. */
  readonly inOrder: boolean;
  /** Consumers came or went; these are the ones there are, oldest first. */
  arrange(consumers: readonly Consumer[]): void;
  /** Who gets it; undefined if those who may are full. */
  choose(message: Message): Consumer | undefined;
}
