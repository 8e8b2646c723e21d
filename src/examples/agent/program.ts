import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const MODULE = /^(.*\/dist\/)(examples\/.+)\.js$/;

/** The file that starts a program of the examples: its bundle, which starts in half the time, where the build has made one. */
export const programOf = (module: URL): string => {
  const path = fileURLToPath(module);
  const [, dist, name = ''] = MODULE.exec(path) ?? [];
  const bundle = `${dist}bundle/${name.replaceAll('/', '.')}.js`;
  return dist !== undefined && existsSync(bundle) ? bundle : path;
};
