import type { Artifact, Message, Part, StreamResponse, Task } from '@a2a-js/sdk';
import { badResponse, type TransportError } from './transport.ts';

/** Pieces of artifacts in one stream. A result of the greatest size in pieces of three bytes has fewer. */
const MAX_PIECES = 100_000;

const broken = (message: string): TransportError => badResponse('AGENT_PROTOCOL_ERROR', message);

type TextPart = Part & { readonly content: { readonly $case: 'text'; readonly value: string } };

const isText = (part: Part | undefined): part is TextPart => part?.content?.$case === 'text';

/** Adds a piece to what an artifact has. Text that goes on is one text: agents send it word by word. */
const addPieces = (parts: Part[], piece: readonly Part[]): void => {
  for (const [index, part] of piece.entries()) {
    const last = parts.at(-1);
    if (index === 0 && isText(last) && isText(part))
      parts[parts.length - 1] = { ...last, content: { $case: 'text', value: last.content.value + part.content.value } };
    else parts.push(part);
  }
};

/** An artifact whose list of parts is our own. */
type OwnArtifact = Omit<Artifact, 'parts'> & { parts: Part[] };

const own = (artifact: Artifact): OwnArtifact => ({ ...artifact, parts: [...artifact.parts] });

/**
 * A task as its stream describes it, event by event, from the state in which it was known before. Each event costs what it brings, not what
 * the artifacts hold already.
 */
export class StreamedTask {
  #task: Task | undefined;
  #artifacts: OwnArtifact[] = [];
  /** Where the artifact with an id is. */
  readonly #places = new Map<string, number>();
  #pieces = 0;

  constructor(start?: Task) {
    if (start) this.#begin(start);
  }

  /** The task without its artifacts; undefined before the first event. */
  get state(): Pick<Task, 'id' | 'status'> | undefined {
    return this.#task;
  }

  /** Undefined before the first event. */
  get task(): Task | undefined {
    return this.#task && { ...this.#task, artifacts: this.#artifacts };
  }

  /**
   * Takes in the next event. Answers with the message when that is what the agent sends instead of a task.
   *
   * Errors: `TransportError` `AGENT_PROTOCOL_ERROR` when the stream begins with an update, or an event is empty or of another task;
   * `AGENT_RESPONSE_TOO_LARGE` for too many pieces.
   */
  apply({ payload }: StreamResponse): Message | undefined {
    switch (payload?.$case) {
      case 'message':
        return payload.value;
      case 'task':
        if (this.#task) this.#known(payload.value.id);
        this.#begin(payload.value);
        return undefined;
      case 'statusUpdate':
        this.#task = { ...this.#known(payload.value.taskId), status: payload.value.status };
        return undefined;
      case 'artifactUpdate':
        this.#known(payload.value.taskId);
        this.#add(payload.value.artifact, payload.value.append);
        return undefined;
      default:
        throw broken('the stream holds an empty event');
    }
  }

  #begin(task: Task): void {
    this.#task = task;
    this.#artifacts = [];
    this.#places.clear();
    for (const artifact of task.artifacts) this.#append(artifact);
  }

  #known(id: string): Task {
    if (!this.#task) throw broken('the stream begins with neither a task nor a message');
    if (id !== this.#task.id) throw broken('an update names another task');
    return this.#task;
  }

  #add(artifact: Artifact | undefined, append: boolean): void {
    if (!artifact) throw broken('an update of an artifact holds none');
    this.#pieces += 1;
    if (this.#pieces > MAX_PIECES)
      throw badResponse('AGENT_RESPONSE_TOO_LARGE', `the artifacts came in more than ${MAX_PIECES} pieces`);
    const place = this.#places.get(artifact.artifactId);
    const known = place === undefined ? undefined : this.#artifacts[place];
    if (place === undefined || !known) this.#append(artifact);
    else if (append) addPieces(known.parts, artifact.parts);
    else this.#artifacts[place] = own(artifact);
  }

  #append(artifact: Artifact): void {
    if (!this.#places.has(artifact.artifactId)) this.#places.set(artifact.artifactId, this.#artifacts.length);
    this.#artifacts.push(own(artifact));
  }
}
