export type ServerSentEvent = { readonly event: string; readonly data: string };

const eventOf = (block: string): ServerSentEvent | undefined => {
  let event = 'message';
  const data: string[] = [];
  for (const line of block.split('\n')) {
    if (line.startsWith(':')) continue; // a comment, sent to keep the connection open
    const colon = line.indexOf(':');
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') event = value;
    if (field === 'data') data.push(value);
  }
  return data.length === 0 && event === 'message' ? undefined : { event, data: data.join('\n') };
};

/** The events of a `text/event-stream` body; what follows the last blank line is incomplete and left out. */
export async function* serverSentEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<ServerSentEvent> {
  const decoder = new TextDecoder();
  let open = '';
  for await (const chunk of body) {
    open = (open + decoder.decode(chunk, { stream: true })).replaceAll('\r\n', '\n');
    const blocks = open.split('\n\n');
    open = blocks.pop() ?? '';
    for (const block of blocks) {
      const event = eventOf(block);
      if (event !== undefined) yield event;
    }
  }
}
