/**
 * What a task of an execution is for. Written as a key: `collect` is a step, `resize[3]` the fourth item of a step that runs for each
 * item of a list, `~collect` and `~resize[3]` the compensations of these.
 */
export type Unit = { readonly stepId: string; readonly item: number | undefined; readonly compensates: boolean };

export const unitKeyOf = ({ stepId, item, compensates }: Unit): string =>
  `${compensates ? '~' : ''}${stepId}${item === undefined ? '' : `[${item}]`}`;

const KEY = /^(~?)([A-Za-z][A-Za-z0-9_-]*)(?:\[(\d{1,6})\])?$/;

/** Undefined for text that is not the key of a unit. */
export const parseUnit = (key: string): Unit | undefined => {
  const match = KEY.exec(key);
  if (match === null) return undefined;
  const [, tilde, stepId, item] = match;
  return {
    stepId: stepId as string,
    item: item === undefined ? undefined : Number(item),
    compensates: tilde === '~',
  };
};

export const isCompensation = (key: string): boolean => key.startsWith('~');
/** The unit that a compensation belongs to. */
export const compensatedBy = (key: string): string => (isCompensation(key) ? key.slice(1) : key);
export const compensationOf = (key: string): string => `~${key}`;
