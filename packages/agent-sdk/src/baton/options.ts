import type { Handler } from '../call.ts';

/** What Baton is told of a skill beside its name. */
export type SkillFacts = {
  /** Semver version of the skill; 1.0.0 by default. Tasks may require a range. */
  readonly version?: string;
  /** 0 to 1: how well the agent does this; 1 by default. */
  readonly confidence?: number;
  /** Kinds of this work that the agent is best at. */
  readonly specialisations?: readonly string[];
};

/** How the agent takes part in a Baton server. All of it may be absent: what the card and the handlers say is not said again. */
export type BatonOptions = {
  /** Address of the server; by default that of the variable BATON_URL. With neither, the agent only serves. */
  readonly url?: string;
  /** Letters, digits, `_` and `-`; by default the card's name. Each process needs one of its own. */
  readonly agentId?: string;
  /** `default` by default. */
  readonly pool?: string;
  /** Calls at a time; the server's default is 10. */
  readonly maxConcurrency?: number;
  /** Between heartbeats, in milliseconds; the server's default is 30,000. */
  readonly heartbeatIntervalMs?: number;
  /**
   * How long `warmUp` may take before Baton gives the agent work all the same, in milliseconds; 600,000 by default. Without a `warmUp`
   * it gets its first work after this time.
   */
  readonly warmUpMs?: number;
  /** What the agent promises about repeated calls; `at_least_once` by default. */
  readonly delivery?: 'at_least_once' | 'effectively_once' | 'at_most_once';
  readonly serviceTypes?: readonly string[];
  readonly tags?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly location?: { readonly region: string; readonly zone?: string };
  readonly weight?: number;
  readonly costFactor?: number;
  readonly costPerCall?: { readonly currency: string; readonly micros: number };
  readonly standby?: boolean;
  readonly sla?: { readonly availability?: number; readonly p95Ms?: number; readonly errorRate?: number };
  readonly constraints?: { readonly maxInputBytes?: number; readonly maxTimeoutMs?: number };
  /** Told in one line when the server cannot be reached, and when it can again; standard error by default. */
  readonly log?: (line: string) => void;
};

/** What an agent says of itself when it registers. */
export type Registration = Readonly<Record<string, unknown>> & { readonly agentId: string };

/** A server to join, and what to tell it. */
export type Place = {
  readonly url: string;
  readonly agentId: string;
  readonly log: (line: string) => void;
  readonly registrationAt: (cardUrl: string) => Registration;
};

type Served = {
  readonly card: { readonly name: string };
  readonly handlers: Readonly<Record<string, Handler | SkillFacts>>;
  readonly warmUp?: unknown;
  readonly baton?: BatonOptions | false;
};

const WARM_UP_MS = 600_000;

const toStderr = (line: string): void => void process.stderr.write(`${line}\n`);

const given = (values: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));

const capabilityOf = ([name, skill]: readonly [string, Handler | SkillFacts]) => {
  if (typeof skill === 'function') return { name };
  const { version, confidence, specialisations } = skill;
  return { name, ...given({ version, confidence, specialisations }) };
};

/** An address without its query and the slashes at its end. Errors: throws when it is none, named by `source`. */
export const httpAddress = (source: string, value: string): string => {
  const { protocol, origin, pathname, username, password } = URL.canParse(value) ? new URL(value) : new URL('none:');
  if (!/^https?:$/.test(protocol))
    throw new Error(
      `${source} is ${JSON.stringify(value)}: it must be an http or https address, such as http://127.0.0.1:4000`,
    );
  if (username !== '' || password !== '') throw new Error(`${source} must not contain a user name or a password`);
  return `${origin}${pathname}`.replace(/\/+$/, '');
};

const serverAddress = ({ url }: BatonOptions): string | undefined => {
  if (url !== undefined) return httpAddress('baton.url', url);
  const named = process.env['BATON_URL'] ?? '';
  return named === '' ? undefined : httpAddress('BATON_URL', named);
};

/** As an id may be written: a card's name may have spaces. */
const idOf = (name: string): string => name.replace(/[^A-Za-z0-9_-]+/g, '-').replace(/^[-_]+|-+$/g, '');

/**
 * The server that an agent joins; undefined when none is named.
 *
 * Errors: throws when the server's address is none, or the agent has no id.
 */
export const placeOf = ({ card, handlers, warmUp, baton = {} }: Served): Place | undefined => {
  const address = baton === false ? undefined : serverAddress(baton);
  if (baton === false || address === undefined) return undefined;
  const { url: _, agentId = idOf(card.name), log = toStderr, ...profile } = baton;
  const warmUpMs = baton.warmUpMs ?? (warmUp === undefined ? undefined : WARM_UP_MS);
  if (agentId === '')
    throw new Error(`the card's name ${JSON.stringify(card.name)} has no letter or digit: set baton.agentId`);
  return {
    url: address,
    agentId,
    log,
    registrationAt: (cardUrl) => ({
      heartbeats: true,
      ...given({ ...profile, warmUpMs }),
      agentId,
      cardUrl,
      capabilities: Object.entries(handlers).map(capabilityOf),
      replace: true,
    }),
  };
};
