/** `baton/agent-sdk`: the same as the stand-alone package, for projects that have only Baton installed. */
export * from 'baton-agent-sdk';
