/** Members without a value are left out, so that the server's defaults hold; undefined when nothing is left. */
export const given = (members: Readonly<Record<string, unknown>>): Record<string, unknown> | undefined => {
  const entries = Object.entries(members).filter(([, value]) => value !== undefined);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
};
