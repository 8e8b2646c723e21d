/** From the data of one schema version to that of the next. Pure: no clock, no randomness, and never throws on data that was once valid. */
export type Upcaster = (data: never) => unknown;

/** Keyed `Type@n`: takes the data of version n to version n + 1. */
export type Upcasters = Readonly<Record<string, Upcaster>>;

/** For every event type with a schema version above 1, one entry for each earlier version. */
export const upcasters: Upcasters = {};
