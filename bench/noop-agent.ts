/** Takes as many attempts as there are and does nothing. */
export const NOOP_AGENT = { agentId: 'noop', capabilities: [{ name: 'noop' }], maxConcurrency: 1_000 };
