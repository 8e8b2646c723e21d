/** A number, literal or the like directly inside a JSON object, as it is written there. */
export type ScalarMember = {
  readonly text: string;
  readonly start: number;
  readonly end: number;
};

/** A string, a structural character, or anything else up to the next of those. */
const TOKEN = /\s*(?:("(?:[^"\\]|\\.)*")|([[\]{}:,])|([^\s[\]{}:,"]+))/gsuy;

/**
 * The members of the outermost object that are neither text, object nor list, by name; the last of a name counts. For
 * integers that a double cannot hold. The text must be valid JSON.
 */
export const scalarMembers = (json: string): Map<string, ScalarMember> => {
  const members = new Map<string, ScalarMember>();
  let depth = 0;
  let key: string | undefined;
  let name: string | undefined;
  for (const { 0: token, 1: string, 2: sign, 3: scalar, index } of json.matchAll(TOKEN)) {
    if (depth === 1 && name !== undefined) {
      const end = index + token.length;
      if (scalar === undefined) members.delete(name);
      else members.set(name, { text: scalar, start: end - scalar.length, end });
      name = undefined;
    } else if (depth === 1 && string !== undefined) key = JSON.parse(string) as string;
    else if (depth === 1 && sign === ':') name = key;
    if (sign === '{' || sign === '[') depth++;
    else if (sign === '}' || sign === ']') depth--;
  }
  return members;
};
