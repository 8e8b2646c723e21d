import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { User } from './access.ts';
import type { UserSettings } from './user-settings.ts';

/**
 * The users who may log in. Of a password only a digest under a key of this process is kept, which costs microseconds to
 * compare and is of no use to anybody else.
 */
export class UserDirectory {
  readonly #key = randomBytes(32);
  readonly #users = new Map<string, { readonly user: User; readonly digest: Buffer }>();
  readonly #nobody = this.#digest(randomBytes(32).toString('hex'));

  constructor(settings: readonly UserSettings[]) {
    for (const { name, password, groups } of settings) {
      this.#users.set(name, { user: { name, groups }, digest: this.#digest(password) });
    }
  }

  /** Takes as long for a name that is not known as for a password that is wrong. */
  verify(name: string, password: string): User | undefined {
    const known = this.#users.get(name);
    return timingSafeEqual(this.#digest(password), known?.digest ?? this.#nobody) ? known?.user : undefined;
  }

  #digest(password: string): Buffer {
    return createHmac('sha256', this.#key).update(password, 'utf8').digest();
  }
}
