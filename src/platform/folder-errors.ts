const PROBLEMS: Readonly<Record<string, string>> = {
  EACCES: 'permission is denied',
  EPERM: 'permission is denied',
  ENOTDIR: 'a file of that name is in the way',
  EEXIST: 'a file of that name is in the way',
  ENOENT: 'it cannot be created there',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota is used up',
};

/** What the file system has against a folder; undefined for other errors. */
export const folderProblem = (error: { readonly code?: string | undefined; readonly message: string }) => {
  const problem = PROBLEMS[error.code ?? ''];
  return problem === undefined ? undefined : `${problem} (${error.message})`;
};

/** What to do when the log in that folder is not what was written. */
export const damagedLogAdvice = (folder: string): string =>
  `nothing was changed; \`baton eventstore verify --data ${folder}\` lists every damaged place`;
