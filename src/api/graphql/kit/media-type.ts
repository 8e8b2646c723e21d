import { isAsyncIterable, type Plugin } from 'graphql-yoga';

/** Types of an answer that is one JSON value. Only with the first may the status say how a well-formed request went. */
type JsonType = 'application/graphql-response+json' | 'application/json';

const TYPES: ReadonlyMap<string, JsonType> = new Map([
  ['application/graphql-response+json', 'application/graphql-response+json'],
  ['application/json', 'application/json'],
  ['application/*', 'application/graphql-response+json'],
  ['*/*', 'application/graphql-response+json'],
]);

const rangeOf = (entry: string) => {
  const [type = '', ...parameters] = entry.toLowerCase().split(';');
  const quality = parameters.find((parameter) => parameter.trim().startsWith('q='))?.split('=')[1];
  return { type: TYPES.get(type.trim()), quality: quality === undefined ? 1 : Number(quality) };
};

/** The JSON type that a client likes best, by its Accept header; undefined when it takes neither. */
export const jsonTypeFor = (accept: string | null): JsonType | undefined => {
  let best: { readonly type: JsonType | undefined; readonly quality: number } = { type: undefined, quality: 0 };
  for (const { type, quality } of (accept ?? '*/*').split(',').map(rangeOf))
    if (type !== undefined && quality > best.quality) best = { type, quality };
  return best.type;
};

/** Yoga ignores qualities, and sends `application/json` to those who accept anything. */
export const useMediaTypes = (): Plugin => ({
  onResultProcess({ request, result, resultProcessor, setResultProcessor }) {
    const type = jsonTypeFor(request.headers.get('accept'));
    if (type !== undefined && resultProcessor !== undefined && !isAsyncIterable(result))
      setResultProcessor(resultProcessor, type);
  },
});
