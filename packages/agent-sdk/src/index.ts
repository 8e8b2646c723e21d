export type { BatonOptions } from './baton/options.ts';
export { BatonRefused } from './baton/server.ts';
export { AgentError, type Call, type Handler, type Progress, type Received } from './call.ts';
export { type AgentServer, type Card, type ServeOptions, type Skill, serveAgent } from './serve-agent.ts';
