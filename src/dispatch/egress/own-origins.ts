import { canonicalHost } from '../../platform/hosts.ts';

const WEB_PORTS: readonly number[] = [80, 443];

/**
 * Where the API processes of this cluster can be reached: what is configured or opened in this process, and what others have published.
 * An agent there would be Baton itself.
 */
export class OwnOrigins {
  readonly #local = new Set<string>();
  #published: ReadonlySet<string> = new Set();
  #keys: ReadonlySet<string> = new Set();

  constructor(origins: readonly string[] = []) {
    this.add(origins);
  }

  /** Origins of this process. */
  get local(): readonly string[] {
    return [...this.#local];
  }

  add(origins: readonly string[]): void {
    for (const origin of origins) this.#local.add(origin);
    this.#index();
  }

  /** Takes what all processes publish now in place of what they published before. */
  learn(published: readonly string[]): void {
    this.#published = new Set(published);
    this.#index();
  }

  /** @param host a name, or an address in any spelling */
  has(host: string, port: number): boolean {
    return this.#keys.has(`${canonicalHost(host)}:${port}`);
  }

  #index(): void {
    this.#keys = new Set([...this.#local, ...this.#published].flatMap(keysOf));
  }
}

/** A site that answers on one of the web's ports mostly answers on the other too. */
const keysOf = (origin: string): string[] => {
  if (!URL.canParse(origin)) return [];
  const { protocol, hostname, port } = new URL(origin);
  const number = port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
  return (WEB_PORTS.includes(number) ? WEB_PORTS : [number]).map((each) => `${canonicalHost(hostname)}:${each}`);
};
