/** `baton/eventstore-node`: the same as the stand-alone package, for projects that have only Baton installed. */
export * from 'baton-eventstore-node';
