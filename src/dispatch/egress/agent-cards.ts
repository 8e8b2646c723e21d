import { AGENT_CARD_PATH } from '@a2a-js/sdk';
import { DefaultAgentCardResolver } from '@a2a-js/sdk/client';
import { type Agent, request } from 'undici';
import { z } from 'zod';
import { type AgentCardFacts, type AgentCardSource, badInput } from '../../commands/context.ts';
import { byteLengthOf, findJsonIssue, type Json, MAX_PAYLOAD_BYTES } from '../../domain/json.ts';
import { pointerOf } from '../../domain/json-pointer.ts';
import type { AppError } from '../../platform/errors.ts';
import type { Logger } from '../../platform/logger.ts';
import { TransportError } from '../transports/transport.ts';
import { discard, networkFailure, readBounded } from './agent-http.ts';
import { type CardSignatures, UNCHECKED } from './card-signatures.ts';
import { checkUrl, createEgressAgent, EgressDenied, type EgressPolicy, refusalText } from './egress.ts';

/** Beyond it nothing is read. A card may be stored up to `MAX_PAYLOAD_BYTES`, without the white space of its file. */
const MAX_CARD_BYTES = 1024 * 1024;
const CARD_TIMEOUT_MS = 10_000;
/** The bindings that the dispatcher's transport supports. */
const BINDINGS = ['JSONRPC', 'HTTP+JSON'];

const refuse = (code: 'AGENT_CARD_INVALID' | 'URL_NOT_ALLOWED', message: string): AppError =>
  badInput([{ pointer: '/cardUrl', code, message }]);

const invalid = (message: string): AppError => refuse('AGENT_CARD_INVALID', message);

const tooLarge = (bytes: number | string): AppError =>
  invalid(`it has ${bytes} bytes of JSON, the limit is ${MAX_PAYLOAD_BYTES}`);

const allowedUrl = (text: string, policy: EgressPolicy, what: string): URL => {
  try {
    return checkUrl(text, policy);
  } catch (error) {
    if (error instanceof EgressDenied) throw refuse('URL_NOT_ALLOWED', `${what}: ${refusalText(error.rule)}`);
    throw error;
  }
};

/** What a card must contain for its agent to be called; the rest is kept unchanged, as data of a third party. */
const Card = z.looseObject({
  name: z.string().trim().min(1).max(2_000),
  description: z.string().max(100_000).optional(),
  skills: z
    .array(z.looseObject({ id: z.string().min(1).max(1_000) }))
    .max(1_000)
    .default([]),
  supportedInterfaces: z
    .array(z.looseObject({ url: z.string(), protocolBinding: z.string() }))
    .min(1)
    .max(100),
});

/** Converts 0.3 cards to the 1.0 form. */
const resolver = new DefaultAgentCardResolver({ legacyCompat: { enabled: true } });

const normalized = (card: Json): unknown => {
  try {
    return resolver.normalizeAgentCard(card);
  } catch {
    throw invalid('it is neither a 1.0 nor a 0.3 agent card');
  }
};

/**
 * Checks a card and extracts what registration needs.
 *
 * Errors: `AppError` `BAD_USER_INPUT` with `AGENT_CARD_INVALID` or `URL_NOT_ALLOWED`.
 */
const readCard = (card: unknown, policy: EgressPolicy): AgentCardFacts => {
  if (card === null || typeof card !== 'object' || Array.isArray(card)) throw invalid('it is not a JSON object');
  const issue = findJsonIssue(card);
  if (issue) throw invalid(`${issue.code} at ${issue.pointer.slice(0, 200) || '/'}: ${issue.message}`);
  const bytes = byteLengthOf(card);
  if (bytes > MAX_PAYLOAD_BYTES) throw tooLarge(bytes);
  const parsed = Card.safeParse(normalized(card as Json));
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0] ?? { path: [], message: 'unusable' };
    throw invalid(`${pointerOf(path) || '/'}: ${message}`);
  }
  const { name, description, skills, supportedInterfaces } = parsed.data;
  const spoken = supportedInterfaces.filter(({ protocolBinding }) => BINDINGS.includes(protocolBinding.toUpperCase()));
  if (spoken.length === 0) throw invalid(`none of its interfaces is ${BINDINGS.join(' or ')}`);
  for (const { url } of spoken) allowedUrl(url, policy, 'an interface of the card');
  return { name, description: description || undefined, skills: skills.map(({ id }) => id), card: card as Json };
};

/** Where the card may be: the URL itself when it names a file, else the well-known path below it, then the URL itself. */
const placesOf = (url: URL): string[] => {
  if (url.pathname.endsWith('.json')) return [url.href];
  const base = url.href.replace(/[?#].*$/, '');
  return [new URL(AGENT_CARD_PATH, base.endsWith('/') ? base : `${base}/`).href, url.href];
};

export type AgentCardOptions = {
  readonly egress: EgressPolicy;
  readonly logger: Logger;
  /** Default: signatures are not looked at. */
  readonly signatures?: CardSignatures;
};

class HttpAgentCards implements AgentCardSource {
  readonly #policy: EgressPolicy;
  readonly #logger: Logger;
  readonly #connections: Agent;
  readonly #signatures: CardSignatures;

  constructor({ egress: policy, logger, signatures = UNCHECKED }: AgentCardOptions) {
    this.#policy = policy;
    this.#signatures = signatures;
    this.#logger = logger;
    this.#connections = createEgressAgent(policy, { bodyIdleMs: CARD_TIMEOUT_MS, maxResponseBytes: MAX_CARD_BYTES });
  }

  async fetch(cardUrl: string): Promise<AgentCardFacts> {
    const signal = AbortSignal.timeout(CARD_TIMEOUT_MS);
    for (const place of placesOf(allowedUrl(cardUrl, this.#policy, 'the URL'))) {
      const text = await this.#read(place, signal);
      if (text === undefined) continue;
      const facts = readCard(parse(text), this.#policy);
      await this.#signatures.check(facts.card);
      return facts;
    }
    throw invalid('no card was found at this URL (HTTP 404)');
  }

  async close(): Promise<void> {
    await this.#connections.destroy();
  }

  async #read(url: string, signal: AbortSignal): Promise<string | undefined> {
    try {
      const { statusCode, body } = await request(url, {
        dispatcher: this.#connections,
        headers: { accept: 'application/json' },
        signal,
      });
      if (statusCode === 200) return await readBounded(body, MAX_CARD_BYTES);
      discard(body);
      if (statusCode === 404) return undefined;
      throw invalid(`HTTP ${statusCode}${statusCode >= 300 && statusCode < 400 ? ': redirects are not followed' : ''}`);
    } catch (error) {
      this.#logger.debug({ err: error, url }, 'an agent card could not be fetched');
      throw cardFailure(error, signal);
    }
  }
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    throw invalid('it is not JSON');
  }
};

const cardFailure = (error: unknown, signal: AbortSignal): unknown => {
  if (signal.aborted) return invalid(`it did not arrive within ${CARD_TIMEOUT_MS} ms`);
  const failure = networkFailure(error);
  if (!(failure instanceof TransportError)) return error;
  if (failure.code === 'URL_NOT_ALLOWED') return refuse('URL_NOT_ALLOWED', failure.message);
  if (failure.code === 'AGENT_RESPONSE_TOO_LARGE') return tooLarge(`more than ${MAX_CARD_BYTES}`);
  return invalid(failure.message);
};

/** Fetches agent cards under the egress rules. */
export const createAgentCardSource = (options: AgentCardOptions): AgentCardSource & { close(): Promise<void> } =>
  new HttpAgentCards(options);
