import type { Trouble } from './plan.ts';

/** Worlds in which something once went wrong. A seed means the same only as long as nobody changes what the dice are asked. */
export const KEPT_SEEDS: readonly {
  readonly seed: number;
  readonly why: string;
  readonly troubles?: readonly Trouble[];
}[] = [
  { seed: 350, why: 'a task in a parked stream held the last slot for ever', troubles: ['newer events'] },
  { seed: 2, why: 'a delay waited for a clock that had been set back', troubles: ['clock steps'] },
  { seed: 3116, why: 'a retry waited for a clock that had been set back', troubles: ['clock steps', 'bad agents'] },
];
