import { oneLine } from '../format.ts';
import { COLOURS, type GraphView, type Look, lookOf, type NodeView } from './graph-view.ts';

/** All but plain characters as entities of Mermaid, which has no escape character: `#34;` is a quote. */
const escaped = (text: string): string =>
  oneLine(text, 200).replaceAll(/[^\p{L}\p{N} _.,:@~+-]/gu, (character) => `#${character.codePointAt(0)};`);

const SHAPES: Readonly<Record<NodeView['kind'], readonly [string, string]>> = {
  agent: ['["', '"]'],
  workflow: ['[["', '"]]'],
  wait: ['{{"', '"}}'],
  delay: ['(["', '"])'],
};

const classesOf = (look: Look | undefined, pivot: boolean): string =>
  `${look === undefined ? '' : `:::${look}`}${pivot && look === undefined ? ':::pivot' : ''}`;

/** Names of nodes are `n` and a number: an id such as `end` is a word of the language. */
const nodeLines = ({ id, kind, what, pivot, state, undo }: NodeView, index: number): string[] => {
  const [open, close] = SHAPES[kind];
  const notes = [what, ...(pivot ? ['pivot'] : []), ...(state === undefined ? [] : [state])].filter(Boolean);
  const label = [id, ...notes].map(escaped).join('<br/>');
  const lines = [`  n${index}${open}${label}${close}${classesOf(lookOf(state), pivot)}`];
  if (undo !== undefined) {
    const text = [`compensates ${id}`, undo.what, ...(undo.state === undefined ? [] : [undo.state])].map(escaped);
    lines.push(`  u${index}("${text.join('<br/>')}")${classesOf(lookOf(undo.state), false)}`);
    lines.push(`  n${index} -.-> u${index}`);
  }
  return lines;
};

/** A Mermaid flowchart: dotted lines lead to compensations, colours show states. */
export const drawMermaid = ({ title, nodes, edges }: GraphView): string => {
  const classes = Object.entries(COLOURS).map(
    ([look, { fill, line }]) => `  classDef ${look} fill:${fill},stroke:${line},color:#212529`,
  );
  return [
    `%% ${escaped(title)}`,
    'flowchart TD',
    ...nodes.flatMap(nodeLines),
    ...edges.map(([from, to]) => `  n${from} --> n${to}`),
    ...classes,
    '  classDef pivot stroke-width:3px',
  ]
    .map((line) => `${line}\n`)
    .join('');
};
