export { accepted } from './accepted.ts';
export {
  type CallOptions,
  type Client,
  type ClientOptions,
  createClient,
  type Fetch,
  type FetchRequest,
  type FetchResponse,
} from './client.ts';
export type { TypedDocument } from './document.ts';
export { BatonError, type BatonErrorOptions, type Issue } from './error.ts';
export * from './generated.ts';
export type { Json } from './json.ts';
export { type ResumeOptions, resume } from './resume.ts';
