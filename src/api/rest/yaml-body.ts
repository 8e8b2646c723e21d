import type { IncomingMessage } from 'node:http';
import { type Alias, Composer, type Document, isAlias, isMap, isScalar, isSeq, Lexer, type Node, Parser } from 'yaml';
import { findJsonIssue, type Json } from '../../domain/json.ts';
import { pointerOf } from '../../domain/json-pointer.ts';
import { MAX_BODY_BYTES, readTextBody } from '../edge/json-body.ts';
import { MAX_BODY_DEPTH } from '../edge/json-scanner.ts';
import { EdgeError, isEdgeCode } from '../errors.ts';

/** Parsing YAML blocks the process for 2.5 ms per KiB of short keys (measured). Larger bodies must be sent as JSON. */
export const MAX_YAML_BYTES = 64 * 1024;
const MAX_ALIASES = 100;
/**
 * Block structure to the right of this column is refused. Each level is indented further, and the composer recurses: at some ten
 * thousand levels yaml 2.9.1 does not throw but crashes the process (`- ` 100,000 times: RegExpCompiler allocation failed).
 */
const MAX_COLUMN = 256;
const YAML_TYPE = /^(?:application|text)\/(?:x-)?yaml\s*(?:;|$)/i;

/** Zero-width tokens of the lexer: a document, a plain or block scalar that follows, the end of flow collections. */
const SCALAR = '\u001f';
const MARKERS: ReadonlySet<string> = new Set(['\u0002', '\u0018', SCALAR]);

export const isYaml = ({ headers }: IncomingMessage): boolean => YAML_TYPE.test(headers['content-type'] ?? '');

const malformed = (text: string, offset: number, fact: string): EdgeError => {
  const before = text.slice(0, offset).split('\n');
  const details = { offset, line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
  return new EdgeError(
    'MALFORMED_YAML',
    `the body is not YAML that Baton accepts: ${fact} (line ${details.line}, column ${details.column})`,
    details,
  );
};

const tooDeep = (): EdgeError => new EdgeError('TOO_DEEP', `more than ${MAX_BODY_DEPTH} levels`);

/** Limits the depth of a document by its tokens, before it is composed. */
class DepthGuard {
  readonly #text: string;
  #offset = 0;
  #column = 0;
  #flow = 0;
  #atLineStart = true;
  /** Structure in one line, such as `- - -` or `a: b: c`. */
  #inLine = 0;
  #isScalar = false;

  constructor(text: string) {
    this.#text = text;
  }

  see(token: string): void {
    if (MARKERS.has(token)) {
      this.#isScalar = token === SCALAR;
      return;
    }
    if (!this.#isScalar) this.#seeStructure(token);
    if (this.#atLineStart && this.#flow === 0 && this.#column > MAX_COLUMN && /^[^\s#]/.test(token)) throw tooDeep();
    this.#isScalar = false;
    this.#advance(token);
  }

  #seeStructure(token: string): void {
    if (token === '[' || token === '{') this.#flow += 1;
    else if (token === ']' || token === '}') this.#flow -= 1;
    else if (token === '-' || token === '?' || token === ':') this.#inLine += 1;
    if (this.#flow < 0) throw malformed(this.#text, this.#offset, `${token} has no opening bracket`);
    if (this.#flow > MAX_BODY_DEPTH || (this.#inLine > MAX_BODY_DEPTH && this.#flow === 0)) throw tooDeep();
  }

  #advance(token: string): void {
    this.#offset += token.length;
    const end = token.lastIndexOf('\n');
    this.#column = end === -1 ? this.#column + token.length : token.length - end - 1;
    if (end !== -1) {
      this.#atLineStart = true;
      this.#inLine = 0;
    } else if (/[^ ]/.test(token)) this.#atLineStart = false;
  }
}

function* tokensOf(text: string) {
  const guard = new DepthGuard(text);
  const parser = new Parser();
  for (const token of new Lexer().lex(text)) {
    guard.see(token);
    yield* parser.next(token);
  }
  yield* parser.end();
}

/** The only document of the text; throws at the first mistake. */
const compose = (text: string): Document => {
  const composer = new Composer({ schema: 'core', uniqueKeys: false, resolveKnownTags: false });
  // Stop at the first mistake: a text full of them would make an error for each character. The composer wraps what is thrown here.
  let mistake: EdgeError | undefined;
  const onError = (at: number | { offset: number }, _code: string, message: string): void => {
    mistake ??= malformed(text, typeof at === 'number' ? at : (at.offset ?? 0), message);
    throw mistake;
  };
  Object.assign(composer, { onError });
  const documents: Document[] = [];
  try {
    for (const token of tokensOf(text)) {
      if (token.type === 'error') throw malformed(text, token.offset, token.message);
      documents.push(...composer.next(token));
      if (documents.length > 1) break;
    }
    documents.push(...composer.end(true, text.length));
  } catch (error) {
    throw mistake ?? error;
  }
  const [document] = documents;
  if (document === undefined || documents.length > 1) throw malformed(text, 0, 'expected exactly one document');
  const [first] = [...document.errors, ...document.warnings];
  if (first) throw malformed(text, first.pos[0], first.message);
  return document;
};

/** Turns a document into a JSON value. What aliases repeat counts each time. */
class Conversion {
  readonly #text: string;
  readonly #anchors = new Map<string, Node>();
  readonly #path: (string | number)[] = [];
  #aliases = 0;
  #left = MAX_BODY_BYTES;

  constructor(text: string) {
    this.#text = text;
  }

  valueOf(node: unknown): Json {
    this.#spend(1);
    if (node === null || node === undefined) return null;
    if (isAlias(node)) return this.valueOf(this.#resolved(node));
    if (this.#path.length > MAX_BODY_DEPTH) throw tooDeep();
    if (isScalar(node)) {
      this.#remember(node);
      return this.#scalar(node.value, node);
    }
    if (isSeq(node)) {
      this.#remember(node);
      return node.items.map((item, index) => this.#member(index, item));
    }
    if (!isMap(node)) throw this.#refused(node, 'only JSON types are accepted');
    this.#remember(node);
    return this.#object(node.items.map(({ key, value }) => [this.#key(key), value]));
  }

  #object(entries: readonly (readonly [string, unknown])[]): Json {
    const seen = new Set<string>();
    // Entries define own properties: a key called __proto__ stays a key, which the scanner then refuses.
    return Object.fromEntries(
      entries.map(([key, value]) => {
        const pointer = pointerOf([...this.#path, key]);
        if (seen.has(key))
          throw new EdgeError('DUPLICATE_KEY', `the key ${JSON.stringify(key)} appears twice (at ${pointer})`, {
            pointer,
          });
        seen.add(key);
        return [key, this.#member(key, value)];
      }),
    );
  }

  #key(node: unknown): string {
    if (!isScalar(node) || typeof node.value !== 'string')
      throw this.#refused(node, 'keys must be strings: quote them');
    this.#spend(node.value.length);
    return node.value;
  }

  #member(part: string | number, node: unknown): Json {
    this.#path.push(part);
    const value = this.valueOf(node);
    this.#path.pop();
    return value;
  }

  #scalar(value: unknown, node: Node): Json {
    if (typeof value === 'string') this.#spend(value.length);
    if (value === null || value === undefined) return null;
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
    throw this.#refused(node, 'only JSON types are accepted');
  }

  #remember(node: Node & { anchor?: string | undefined }): void {
    if (node.anchor === undefined || this.#anchors.get(node.anchor) === node) return;
    if (this.#anchors.has(node.anchor)) throw this.#refused(node, `the anchor ${node.anchor} appears twice`);
    this.#anchors.set(node.anchor, node);
  }

  #resolved(alias: Alias): Node {
    this.#aliases += 1;
    if (this.#aliases > MAX_ALIASES) throw this.#refused(alias, `more than ${MAX_ALIASES} aliases`);
    const node = this.#anchors.get(alias.source);
    if (node === undefined) throw this.#refused(alias, `no anchor ${alias.source} comes before it`);
    return node;
  }

  #spend(size: number): void {
    this.#left -= size;
    if (this.#left < 0)
      throw new EdgeError('BODY_TOO_LARGE', `with its aliases the body is larger than ${MAX_BODY_BYTES} bytes`, {
        limit: MAX_BODY_BYTES,
      });
  }

  #refused(node: unknown, fact: string): EdgeError {
    const { range } = (node ?? {}) as { range?: readonly number[] };
    return malformed(this.#text, range?.[0] ?? 0, `${fact}, at ${pointerOf(this.#path) || '/'}`);
  }
}

/**
 * Parses YAML 1.2 (core schema) that JSON could express too, with the same checks as for JSON.
 *
 * Errors: `EdgeError` `MALFORMED_YAML` with the place; otherwise as of `scanJson`.
 */
export const parseYaml = (text: string): Json => {
  const value = new Conversion(text).valueOf(compose(text).contents);
  const issue = findJsonIssue(value, MAX_BODY_DEPTH);
  if (issue === undefined) return value;
  const { code, pointer, message } = issue;
  throw new EdgeError(isEdgeCode(code) ? code : 'MALFORMED_YAML', `${message} (at ${pointer || '/'})`, { pointer });
};

/** Reads a body of YAML. Errors: as of `parseYaml`, and those of a body that cannot be read, see `readTextBody`. */
export const readYamlBody = async (request: IncomingMessage): Promise<Json> =>
  parseYaml(await readTextBody(request, { type: YAML_TYPE, name: 'application/yaml', limit: MAX_YAML_BYTES }));
