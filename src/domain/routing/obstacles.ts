/**
 * What can keep work from running, in the order in which it is looked for: of several the first is the reason. A kind stands here once
 * something can have it.
 */
export const OBSTACLES = [
  /** Other work, or something outside, must end first. */
  'dependency',
  /** A person must act. */
  'human',
  /** A time must come. */
  'timer',
  /** The pool or the workflow lets no more work start. */
  'admission',
  /** No registered agent can do it. */
  'no_capable_agent',
  /** Agents are left alone for now because of what calls to them have shown. */
  'breaker',
  /** The agents that can do it have no room, or take no work. */
  'capacity',
] as const;
export type Obstacle = (typeof OBSTACLES)[number];
