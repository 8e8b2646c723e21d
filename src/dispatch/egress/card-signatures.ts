import { readFile } from 'node:fs/promises';
import { type AgentCard, canonicalizeAgentCard } from '@a2a-js/sdk';
import { createLocalJWKSet, decodeProtectedHeader, flattenedVerify, importJWK } from 'jose';
import { z } from 'zod';
import { badInput } from '../../commands/context.ts';
import type { Json } from '../../domain/json.ts';
import { type AppError, ConfigError } from '../../platform/errors.ts';

/** Signatures of a card that are looked at; a card with more is not read further. */
const MAX_SIGNATURES = 16;
/** Of public keys only: a shared secret would let everyone who verifies also sign. */
const ALGORITHMS = [
  'EdDSA',
  'Ed25519',
  'ES256',
  'ES384',
  'ES512',
  'PS256',
  'PS384',
  'PS512',
  'RS256',
  'RS384',
  'RS512',
];

const Key = z.looseObject({ kty: z.enum(['EC', 'OKP', 'RSA']), kid: z.string().min(1) });
/** RFC 7517. */
const KeySet = z.looseObject({ keys: z.array(Key).min(1) });
export type CardKeys = z.output<typeof KeySet>;

const Signature = z.looseObject({ protected: z.string(), signature: z.string() });
type Signature = z.output<typeof Signature>;

const refuse = (code: 'CARD_UNSIGNED' | 'CARD_SIGNATURE_INVALID', message: string): AppError =>
  badInput([{ pointer: '/cardUrl', code, message }]);

const signaturesOf = (card: Json): readonly Signature[] => {
  const { signatures } = card as { readonly signatures?: unknown };
  if (!Array.isArray(signatures)) return [];
  return signatures.slice(0, MAX_SIGNATURES).flatMap((each) => {
    const parsed = Signature.safeParse(each);
    return parsed.success ? [parsed.data] : [];
  });
};

const keyIdOf = (signature: Signature): string | undefined => {
  try {
    return decodeProtectedHeader(signature).kid;
  } catch {
    return undefined;
  }
};

/** Checks the signatures of agent cards: JWS over the card's canonical JSON, as in A2A 1.0. */
export type CardSignatures = {
  /**
   * A card without a signature by one of the keys passes unless signatures are required.
   *
   * Errors: `AppError` `BAD_USER_INPUT` with `CARD_UNSIGNED`, or with `CARD_SIGNATURE_INVALID` where a signature names one of the keys and is
   * not made by it, or not over this card.
   */
  check(card: Json): Promise<void>;
};

export const cardSignatures = (keys: CardKeys, required: boolean): CardSignatures => {
  const known = new Set(keys.keys.map(({ kid }) => kid));
  const keyOf = createLocalJWKSet(keys);
  const isValid = async (card: Json, { protected: header, signature }: Signature): Promise<boolean> => {
    try {
      const payload = Buffer.from(canonicalizeAgentCard(card as unknown as AgentCard)).toString('base64url');
      await flattenedVerify({ protected: header, signature, payload }, keyOf, { algorithms: ALGORITHMS });
      return true;
    } catch {
      // Whatever is wrong with it, the signature proves nothing; jose's reasons are about bytes.
      return false;
    }
  };
  return {
    async check(card) {
      const ours = signaturesOf(card).filter((signature) => known.has(keyIdOf(signature) ?? ''));
      for (const signature of ours) if (await isValid(card, signature)) return;
      const [first] = ours;
      if (first !== undefined)
        throw refuse('CARD_SIGNATURE_INVALID', `its signature by key ${JSON.stringify(keyIdOf(first))} is wrong`);
      if (required) throw refuse('CARD_UNSIGNED', 'it has no signature by a key of BATON_CARD_KEYS');
    },
  };
};

/** Every card passes. */
export const UNCHECKED: CardSignatures = { check: async () => undefined };

/** The keys of a file. Errors: throws `ConfigError` for a file that is no set of public keys with ids. */
const readKeys = async (path: string): Promise<CardKeys> => {
  const refused = (why: string): ConfigError => new ConfigError([`BATON_CARD_KEYS=${JSON.stringify(path)}: ${why}`]);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw refused(`cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
  }
  try {
    const keys = KeySet.parse(JSON.parse(text));
    for (const key of keys.keys)
      await importJWK(key, key.kty === 'EC' ? 'ES256' : key.kty === 'RSA' ? 'RS256' : 'EdDSA');
    return keys;
  } catch {
    throw refused('is not a JSON Web Key Set of public keys (EC, OKP, RSA), each with a kid');
  }
};

/** The signatures that the settings ask for. Errors: throws `ConfigError`. */
export const cardSignaturesOf = async (settings: {
  readonly cardKeys: string | undefined;
  readonly cardSignatures: 'optional' | 'required';
}): Promise<CardSignatures> => {
  if (settings.cardKeys === undefined) return UNCHECKED;
  return cardSignatures(await readKeys(settings.cardKeys), settings.cardSignatures === 'required');
};
