/** The database's name of a column or table. */
export const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** An identifier as it stands in SQL. */
export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

export const qualified = (schema: string, { name }: { readonly name: string }): string =>
  `${quoted(schema)}.${quoted(name)}`;
