import { randomBytes } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';

/** As `secretIn` writes them; another text, as after a full disk or a crash, is as good as none. */
const SECRET = /^[\w-]{32}$/;

/** The secret in the file `path`, which only its owner can read; created on first use. Safe to put in a URL. */
export const secretIn = async (path: string): Promise<string> => {
  try {
    const known = (await readFile(path, 'utf8')).trim();
    if (SECRET.test(known)) return known;
    await rm(path, { force: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const secret = randomBytes(24).toString('base64url');
  await writeFile(path, `${secret}\n`, { mode: 0o600, flag: 'wx' });
  return secret;
};
