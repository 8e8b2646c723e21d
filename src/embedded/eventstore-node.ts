/** `baton/eventstore-node`: the same as the package of its own, for projects that have only Baton installed. */
export * from 'baton-eventstore-node';
