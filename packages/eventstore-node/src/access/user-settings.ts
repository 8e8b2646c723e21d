import { readFileSync, statSync } from 'node:fs';
import { z } from 'zod';

/** A user, as configured by the operator of the node. */
export type UserSettings = {
  readonly name: string;
  readonly password: string;
  /** `$admins` may do everything, `$ops` may manage persistent subscriptions; others are for access lists to name. */
  readonly groups: readonly string[];
};

const DEFAULT_PASSWORD = 'changeit';
const OTHERS_MAY_READ = 0o077;

const schema = z
  .array(
    z.strictObject({
      name: z
        .string()
        .min(1, 'must not be empty')
        .regex(/^[^:]*$/, 'must not contain a colon, which ends it in credentials'),
      password: z.string().min(1, 'must not be empty'),
      groups: z.array(z.string().min(1, 'must not be empty')).default([]),
    }),
  )
  .min(1, 'must name at least one user')
  .superRefine((users, context) => {
    for (const [n, { name }] of users.entries()) {
      if (users.findIndex((other) => other.name === name) === n) continue;
      context.addIssue({ code: 'custom', path: [n, 'name'], message: `"${name}" occurs twice` });
    }
  });

/** Throws an error that names every field that is wrong, and shows no value of it. */
export const checkUsers = (users: unknown, source = 'users'): readonly UserSettings[] => {
  const parsed = schema.safeParse(users);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => {
    const field = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
    return `users${field}: ${message}`;
  });
  throw new Error(source === 'users' ? problems.join('; ') : `${source}: ${problems.join('; ')}`);
};

/** Those a real server creates; the variables are its own. */
export const defaultUsers = (env: Readonly<Record<string, string | undefined>> = {}): readonly UserSettings[] => {
  const password = (variable: string) => env[variable] || DEFAULT_PASSWORD;
  return [
    { name: 'admin', password: password('EVENTSTORE_DEFAULT_ADMIN_PASSWORD'), groups: ['$admins'] },
    { name: 'ops', password: password('EVENTSTORE_DEFAULT_OPS_PASSWORD'), groups: ['$ops'] },
  ];
};

/**
 * The users of a node run as a command: those of a JSON file (`[{"name":…,"password":…,"groups":[…]}]`), or the default
 * ones. `warnings` tell what makes passwords easy to obtain.
 * Errors: throws an error that names the file and what is wrong with it.
 */
export const loadUsers = (
  file: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): { users: readonly UserSettings[]; warnings: readonly string[] } => {
  const users = file === undefined ? defaultUsers(env) : readUsersFile(file);
  const warnings = users
    .filter(({ password }) => password === DEFAULT_PASSWORD)
    .map(({ name }) => `the user "${name}" has the default password, which everybody knows`);
  if (file !== undefined && isReadableByOthers(file))
    warnings.push(`${file} contains passwords and is readable by others`);
  return { users, warnings };
};

const readUsersFile = (file: string): readonly UserSettings[] =>
  checkUsers(parseJson(file, readFile(file)), `the users file ${file}`);

const readFile = (file: string): string => {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Error(`the users file ${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
};

/** The parser's own message is left out: it quotes the text, which contains passwords. */
const parseJson = (file: string, text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`the users file ${file} is not JSON`);
  }
};

const isReadableByOthers = (file: string): boolean =>
  process.platform !== 'win32' && (statSync(file).mode & OTHERS_MAY_READ) !== 0;
