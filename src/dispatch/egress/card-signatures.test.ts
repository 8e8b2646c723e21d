import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AgentCard, generateAgentCardSignature } from '@a2a-js/sdk';
import { exportJWK, generateKeyPair } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Json } from '../../domain/json.ts';
import { type CardKeys, cardSignatures, cardSignaturesOf } from './card-signatures.ts';

type Signer = (card: Json) => Promise<Json>;

const CARD = {
  name: 'Anna',
  description: 'translates',
  version: '1.0.0',
  supportedInterfaces: [{ url: 'https://a.example/', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
  capabilities: {},
  defaultInputModes: ['application/json'],
  defaultOutputModes: ['application/json'],
  skills: [{ id: 'translate', name: 'Translate', description: 'translates', tags: [] }],
};

const pair = async (alg: string, kid: string): Promise<{ jwk: CardKeys['keys'][number]; sign: Signer }> => {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const sign = generateAgentCardSignature(privateKey, { alg, kid, typ: 'JOSE' });
  return {
    jwk: { ...(await exportJWK(publicKey)), kid, alg } as CardKeys['keys'][number],
    sign: async (card) => JSON.parse(JSON.stringify(await sign(card as unknown as AgentCard))),
  };
};

let es: Awaited<ReturnType<typeof pair>>;
let ed: Awaited<ReturnType<typeof pair>>;
let stranger: Awaited<ReturnType<typeof pair>>;
let folder: string;
beforeAll(async () => {
  [es, ed, stranger] = await Promise.all([pair('ES256', 'es'), pair('EdDSA', 'ed'), pair('ES256', 'stranger')]);
  folder = await mkdtemp(join(tmpdir(), 'baton-keys-'));
});
afterAll(() => rm(folder, { recursive: true }));

const both = (required: boolean) => cardSignatures({ keys: [es.jwk, ed.jwk] }, required);
const code = (issue: string) => ({ code: 'BAD_USER_INPUT', issues: [{ pointer: '/cardUrl', code: issue }] });

describe('a card signed by one of the keys', () => {
  it.each(['es', 'ed'])('passes: %s', async (kid) => {
    const signed = await (kid === 'es' ? es : ed).sign(CARD);
    await expect(both(true).check(signed)).resolves.toBeUndefined();
  });

  it('passes whatever the order of its members, and beside signatures of others', async () => {
    const signed = (await es.sign(await stranger.sign(CARD))) as Record<string, Json>;
    const reversed = Object.fromEntries(Object.entries(signed).reverse());
    await expect(both(true).check(reversed)).resolves.toBeUndefined();
  });

  it.each([
    ['its name', (card: typeof CARD) => ({ ...card, name: 'Eve' })],
    [
      'an address',
      (card: typeof CARD) => ({
        ...card,
        supportedInterfaces: [{ ...CARD.supportedInterfaces[0], url: 'https://e.example/' }],
      }),
    ],
    ['a skill', (card: typeof CARD) => ({ ...card, skills: [] })],
  ])('is refused after a change of %s, also where signatures are optional', async (_, change) => {
    const changed = change((await es.sign(CARD)) as typeof CARD) as Json;
    await expect(both(false).check(changed)).rejects.toMatchObject(code('CARD_SIGNATURE_INVALID'));
  });

  it('is refused when somebody else signed in the name of the key', async () => {
    const forged = await (await pair('ES256', 'es')).sign(CARD);
    await expect(both(false).check(forged)).rejects.toMatchObject(code('CARD_SIGNATURE_INVALID'));
  });
});

describe('a card without such a signature', () => {
  const odd: readonly (readonly [string, Json])[] = [
    ['none', CARD],
    ['an empty list', { ...CARD, signatures: [] }],
    ['no list', { ...CARD, signatures: 'yes' }],
    ['one that is no JWS', { ...CARD, signatures: [{ protected: 'x', signature: 'y' }, 7, null] }],
    [
      'an algorithm of none',
      { ...CARD, signatures: [{ protected: Buffer.from('{"alg":"none"}').toString('base64url'), signature: '' }] },
    ],
  ];

  it.each(odd)('passes where signatures are optional, and is refused where they are required: %s', async (_, card) => {
    await expect(both(false).check(card)).resolves.toBeUndefined();
    await expect(both(true).check(card)).rejects.toMatchObject(code('CARD_UNSIGNED'));
  });

  it('is refused where they are required although a stranger signed it', async () =>
    expect(both(true).check(await stranger.sign(CARD))).rejects.toMatchObject(code('CARD_UNSIGNED')));

  it('is refused when its header names a key with another algorithm', async () => {
    const header = Buffer.from(JSON.stringify({ alg: 'HS256', kid: 'es' })).toString('base64url');
    const card = { ...CARD, signatures: [{ protected: header, signature: 'AAAA' }] };
    await expect(both(false).check(card)).rejects.toMatchObject(code('CARD_SIGNATURE_INVALID'));
  });
});

describe('the keys', () => {
  const settingsOf = async (content: string) => {
    const path = join(folder, 'keys.json');
    await writeFile(path, content);
    return { cardKeys: path, cardSignatures: 'required' as const };
  };

  it('come from a file', async () => {
    const signatures = await cardSignaturesOf(await settingsOf(JSON.stringify({ keys: [es.jwk] })));
    await expect(signatures.check(await es.sign(CARD))).resolves.toBeUndefined();
    await expect(signatures.check(CARD)).rejects.toMatchObject(code('CARD_UNSIGNED'));
  });

  it('are not needed: then no card is looked at', async () => {
    const signatures = await cardSignaturesOf({ cardKeys: undefined, cardSignatures: 'optional' });
    await expect(signatures.check({ signatures: [{ protected: 'x', signature: 'y' }] })).resolves.toBeUndefined();
  });

  it.each([
    '',
    '{}',
    '{"keys":[]}',
    '{"keys":[{"kty":"oct","kid":"a","k":"AAAA"}]}',
    '{"keys":[{"kty":"EC","kid":"a"}]}',
    '{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AAAA"}]}',
  ])('end the start when the file contains %j', async (content) =>
    expect(cardSignaturesOf(await settingsOf(content))).rejects.toThrow('is not a JSON Web Key Set of public keys'),
  );

  it('end the start when there is no file', async () =>
    expect(cardSignaturesOf({ cardKeys: join(folder, 'none'), cardSignatures: 'optional' })).rejects.toThrow('ENOENT'));
});
