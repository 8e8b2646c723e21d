/** One line of `baton doctor`: what was checked, what was found, and what to do about it. */
export type Check = {
  readonly name: string;
  /** `warn`: it works, with a drawback; `fail`: it does not work, or breaks a promise of Baton. */
  readonly status: 'ok' | 'warn' | 'fail';
  readonly found: string;
  readonly advice?: string;
};

export const ok = (name: string, found: string): Check => ({ name, status: 'ok', found });
export const warn = (name: string, found: string, advice: string): Check => ({ name, status: 'warn', found, advice });
export const fail = (name: string, found: string, advice: string): Check => ({ name, status: 'fail', found, advice });

const TIMEOUT_MS = 5_000;

/** The result of `check`, or one failed check when it throws or takes longer than 5 s. */
export const guarded = async (name: string, advice: string, check: () => Promise<Check[]>): Promise<Check[]> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${TIMEOUT_MS} ms`)), TIMEOUT_MS);
  });
  try {
    return await Promise.race([check(), late]);
  } catch (error) {
    // Node lists every address that it tried in an AggregateError, whose own message is empty.
    const cause = error instanceof AggregateError ? error.errors[0] : error;
    return [fail(name, cause instanceof Error ? cause.message : String(cause), advice)];
  } finally {
    clearTimeout(timer);
  }
};

const SIGN: Readonly<Record<Check['status'], string>> = { ok: 'ok  ', warn: 'WARN', fail: 'FAIL' };

/** Plain text: one line per check with its advice below, and the totals at the end. */
export const formatChecks = (checks: readonly Check[]): string => {
  const width = Math.max(0, ...checks.map(({ name }) => name.length));
  const lines = checks.flatMap(({ name, status, found, advice }) => {
    const line = `${SIGN[status]}  ${name.padEnd(width)}  ${found}`;
    return advice === undefined ? [line] : [line, `${' '.repeat(width + SIGN.ok.length + 4)}-> ${advice}`];
  });
  const count = (status: Check['status']): number => checks.filter((check) => check.status === status).length;
  return [...lines, `${count('ok')} ok, ${count('warn')} warnings, ${count('fail')} failures`].join('\n');
};
